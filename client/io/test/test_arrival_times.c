/*
 * The engine is told when an answer reached this machine, not when it was looked at, and what a node asks to be left
 * alone for. Every step of the engine goes through here; the first symbol's is held up until more has arrived.
 */
#include "client/core/wave.h"
#include "client/io/test/scripted_nodes.h"
#include "common/clock.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    bool hold; /* the next symbol's step */
    atomic_bool holding;
    pthread_t held_thread;
    atomic_uint messages; /* that came to other threads meanwhile */
    uint64_t held_until_us;
    uint32_t answers[SW_WAVE_CANCEL + 1];
    uint32_t wrong_times;
    uint32_t came_meanwhile; /* symbols that had arrived before the end of the hold and were looked at after it */
    uint64_t pushback_us;    /* the longest */
} seen;

struct sw_wave_actions __real_sw_wave_step(struct sw_wave_engine *engine, const struct sw_wave_event *event);
struct sw_wave_actions __wrap_sw_wave_step(struct sw_wave_engine *engine, const struct sw_wave_event *event);
size_t __real_sw_rpc_message_bytes(const struct sw_rpc_message *message);
size_t __wrap_sw_rpc_message_bytes(const struct sw_rpc_message *message);

static void hold_up(void)
{
    seen.hold = false;
    seen.messages = 0;
    seen.held_thread = pthread_self();
    seen.holding = true;
    /* The network thread looks at a message's size first and notes the time then: the second one's look is after that.
       Some more are waited for, since with two of them none was sometimes found. */
    for (int tries = 0; seen.messages < 8 && tries < 3000; tries++)
        usleep(1000);
    seen.holding = false;
    seen.held_until_us = sw_clock_us();
}

/* Under the client's lock, so one at a time. */
struct sw_wave_actions __wrap_sw_wave_step(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    bool is_answer = event->type == SW_WAVE_SYMBOL || event->type == SW_WAVE_MISSING ||
                     event->type == SW_WAVE_CORRUPT || event->type == SW_WAVE_LEFT_OUT;
    seen.answers[event->type]++;
    if (is_answer)
        seen.wrong_times += event->arrived_us == 0 || event->arrived_us > event->now_us;
    if (event->type == SW_WAVE_SYMBOL && seen.held_until_us > 0)
        seen.came_meanwhile += event->arrived_us < seen.held_until_us && event->now_us >= seen.held_until_us;
    if (event->type == SW_WAVE_SYMBOL && seen.hold)
        hold_up();
    if (event->type == SW_WAVE_ENDED && event->pushback_us > seen.pushback_us)
        seen.pushback_us = event->pushback_us;
    return __real_sw_wave_step(engine, event);
}

size_t __wrap_sw_rpc_message_bytes(const struct sw_rpc_message *message)
{
    /* The only other thread that works on messages with values then is the network's. */
    size_t bytes = __real_sw_rpc_message_bytes(message);
    if (seen.holding && !pthread_equal(pthread_self(), seen.held_thread) && bytes > VALUE_BYTES)
        seen.messages++;
    return bytes;
}

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    (void)symbol;
    (void)error;
    (void)user_data;
    return SW_OK;
}

static void retrieve(struct world *world, enum manner manner, uint32_t liars, bool hold)
{
    const struct sw_sink sink = {.take = take};
    const struct sw_retrieve_options options = {.size = sizeof(options), .deadline_ms = 60000};
    memset(&seen, 0, sizeof(seen));
    seen.hold = hold;
    world->options.workers = 1;
    world_start(world, manner, liars);
    assert_int_equal(sw_retrieve_stream(world->client, keys, VALUES, &options, &sink, NULL, NULL), SW_OK);
    world_stop(world);
    assert_int_equal(seen.wrong_times, 0);
}

static void test_a_symbol_has_the_time_at_which_it_arrived(void **state)
{
    (void)state;
    struct world world = {.client = NULL};
    retrieve(&world, GOOD, 0, true);
    assert_true(seen.answers[SW_WAVE_SYMBOL] >= VALUES);
    assert_true(seen.came_meanwhile > 0);
}

static void test_all_other_answers_have_times_too(void **state)
{
    (void)state;
    static const struct {
        enum manner manner;
        enum sw_wave_event_type type;
    } cases[] = {{ALL_MISSING, SW_WAVE_MISSING}, {CORRUPT, SW_WAVE_CORRUPT}, {LEFT_OUT, SW_WAVE_LEFT_OUT}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world world = {.client = NULL};
        retrieve(&world, cases[i].manner, 2, false);
        assert_true(seen.answers[cases[i].type] > 0);
    }
}

static void test_an_end_has_the_nodes_pushback(void **state)
{
    (void)state;
    struct world world = {.nodes = {{.pushback_ms = 4321}}};
    retrieve(&world, BUSY, 1, false);
    assert_int_equal(seen.pushback_us, 4321000);
    struct world silent = {.client = NULL};
    retrieve(&silent, BUSY, 1, false);
    assert_int_equal(seen.pushback_us, 0);
}

int main(void)
{
    scripted_nodes_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_symbol_has_the_time_at_which_it_arrived),
        cmocka_unit_test(test_all_other_answers_have_times_too),
        cmocka_unit_test(test_an_end_has_the_nodes_pushback),
    };
    return cmocka_run_group_tests_name("arrival times", tests, NULL, NULL);
}
