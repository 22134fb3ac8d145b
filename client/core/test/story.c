/* How the stories of the wave engine are told. */
#include "client/core/test/story.h"
#include "client/core/wave_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sw_key place_of(uint32_t node)
{
    char name[16];
    int length = snprintf(name, sizeof(name), "node-%04u", node);
    return sw_key_of_value(name, (size_t)length);
}

static uint32_t candidate_count(const struct story *story)
{
    return story->options.candidates < story->node_count ? story->options.candidates : story->node_count;
}

static uint32_t provider_of(const struct story *story, const struct sw_key *key, uint32_t wave)
{
    uint32_t nodes[SW_ROUTE_CANDIDATES_MAX], k = candidate_count(story);
    sw_route_nearest(story->table, key, k, nodes);
    return nodes[(sw_route_base(key, "task", k) + wave) % k];
}

uint32_t story_provider(const struct story *story, uint32_t key, uint32_t wave)
{
    return provider_of(story, &story->keys[key], wave);
}

struct story story_of(uint32_t node_count, const uint32_t *primaries, uint32_t key_count, uint32_t required)
{
    struct story story = {
        .options = {.candidates = 6,
                    .request_keys_max = 600,
                    .requests_max = 32,
                    .node_requests_max = 4,
                    .window_keys_max = 12000,
                    .stall_timeout_us = 2000000,
                    .down_backoff_us = 1000000,
                    .symbol_bytes_guess = STORY_SYMBOL_BYTES,
                    .value_bytes_max = 100 * STORY_SYMBOL_BYTES,
                    .request_bytes_aim = 16 * STORY_SYMBOL_BYTES,
                    .first_keys_max = 128,
                    .queue_us = 1000000,
                    .lease_us_min = UINT64_MAX,
                    .lapse_us_min = UINT64_MAX,
                    .hedge_requests_max = 8,
                    .hedge_per_cent = 5,
                    .hedge_keys_min = 16},
        .budget = {.limit_bytes = 512 * STORY_SYMBOL_BYTES},
        .node_count = node_count,
        .key_count = key_count,
        .required = required,
        .now_us = 1000000,
    };
    struct sw_key places[STORY_NODES_MAX];
    uint32_t value = 0;

    assert_true(node_count <= STORY_NODES_MAX && key_count <= STORY_KEYS_MAX);
    for (uint32_t i = 0; i < node_count; i++)
        places[i] = place_of(i);
    story.table = sw_route_table_new(places, node_count);
    assert_non_null(story.table);
    for (uint32_t key = 0; key < key_count; key++) {
        do {
            story.keys[key] = sw_key_of_value(&value, sizeof(value));
            value++;
        } while (node_count > 0 && provider_of(&story, &story.keys[key], 0) != primaries[key]);
    }
    return story;
}

struct story story_of_node_0(uint32_t node_count, uint32_t key_count, uint32_t required)
{
    static const uint32_t primaries[STORY_KEYS_MAX];
    return story_of(node_count, primaries, key_count, required);
}

void story_start(struct story *story)
{
    story->engine = sw_wave_engine_new(&story->options, story->keys, story->key_count, story->required, "task",
                                       story->table, story->health, &story->budget);
    assert_non_null(story->engine);
    story_event(story, (struct sw_wave_event){.type = SW_WAVE_START});
}

void story_end(struct story *story)
{
    story_expect_nothing(story);
    sw_wave_engine_free(story->engine);
    sw_route_table_free(story->table);
    assert_int_equal(story->budget.reserved_bytes, 0);
}

struct sw_wave_action story_expect(struct story *story, enum sw_wave_action_type type)
{
    assert_true(story->expected < story->actions.count);
    assert_int_equal(story->actions.items[story->expected].type, type);
    return story->actions.items[story->expected++];
}

struct story_request story_expect_send(struct story *story)
{
    struct sw_wave_action action = story_expect(story, SW_WAVE_SEND);
    struct story_request request = {action.request,   action.node,  action.key_count, {0},
                                    action.max_bytes, action.verify};
    memcpy(request.keys, action.keys, action.key_count * sizeof(request.keys[0]));
    return request;
}

void story_expect_deliver(struct story *story, uint32_t key)
{
    assert_int_equal(story_expect(story, SW_WAVE_DELIVER).key_index, key);
}

void story_expect_drop(struct story *story, enum sw_wave_drop reason)
{
    assert_int_equal(story_expect(story, SW_WAVE_DROP).reason, reason);
}

void story_expect_done(struct story *story, enum sw_status status)
{
    assert_int_equal(story_expect(story, SW_WAVE_DONE).status, status);
    assert_true(sw_wave_is_done(story->engine));
    story_expect_nothing(story);
}

void story_expect_nothing(const struct story *story)
{
    assert_int_equal(story->expected, story->actions.count);
}

void story_event(struct story *story, struct sw_wave_event event)
{
    story_expect_nothing(story);
    event.now_us = story->now_us;
    story->actions = sw_wave_step(story->engine, &event);
    story->expected = 0;
    const char *broken = sw_wave_check(story->engine);
    if (broken)
        fail_msg("does not hold: %s", broken);
}

void story_wait(struct story *story, uint64_t us)
{
    story->now_us += us;
    story_tick(story);
}

void story_tick(struct story *story)
{
    story_event(story, (struct sw_wave_event){.type = SW_WAVE_TICK});
}

static struct sw_wave_event about(const struct story *story, enum sw_wave_event_type type, sw_wave_request request,
                                  uint32_t key)
{
    return (struct sw_wave_event){.type = type, .request = request, .key = story->keys[key], .key_index = key};
}

void story_symbol_of(struct story *story, sw_wave_request request, uint32_t key, uint64_t bytes)
{
    struct sw_wave_event event = about(story, SW_WAVE_SYMBOL, request, key);
    event.digest = event.key;
    event.bytes = bytes;
    story_event(story, event);
}

void story_symbol(struct story *story, sw_wave_request request, uint32_t key)
{
    story_symbol_of(story, request, key, STORY_SYMBOL_BYTES);
}

void story_bad_symbol(struct story *story, sw_wave_request request, uint32_t key)
{
    struct sw_wave_event event = about(story, SW_WAVE_SYMBOL, request, key);
    event.digest = sw_key_of_value("bad", 3);
    event.bytes = STORY_SYMBOL_BYTES;
    story_event(story, event);
}

void story_missing(struct story *story, sw_wave_request request, uint32_t key)
{
    story_event(story, about(story, SW_WAVE_MISSING, request, key));
}

void story_left_out(struct story *story, sw_wave_request request, uint32_t key, uint64_t bytes)
{
    struct sw_wave_event event = about(story, SW_WAVE_LEFT_OUT, request, key);
    event.bytes = bytes;
    story_event(story, event);
}

void story_ended(struct story *story, sw_wave_request request, enum sw_status status)
{
    story_event(story, (struct sw_wave_event){.type = SW_WAVE_ENDED, .request = request, .status = status});
}

void story_activity(struct story *story, sw_wave_request request, bool held)
{
    story_event(story, (struct sw_wave_event){.type = SW_WAVE_ACTIVITY, .request = request, .held = held});
}

void story_taken(struct story *story, uint32_t key)
{
    story_event(story, (struct sw_wave_event){.type = SW_WAVE_TAKEN, .key_index = key});
}

void story_deliver(struct story *story, sw_wave_request request, uint32_t key)
{
    story_symbol(story, request, key);
    story_expect_deliver(story, key);
    story_taken(story, key);
}
