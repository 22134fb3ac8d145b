/*
 * How fast a node is, and when an answer of it is due.
 *
 * A node's rate is the bytes that came of it over the time in which it had work. Between two symbols it had work when
 * the second had been asked of it a round trip before the first came; the time of any other symbol tells the round
 * trip. So the rate of a node that we keep waiting is not taken for slowness. What is measured fades with a half-life
 * of a minute, and is weighed against what the other nodes do: a node of which little is known counts as one of them.
 */
#include "client/core/wave_internal.h"

#define SECOND_US 1000000
/* Of a network of which nothing is known. */
#define RATE_GUESS     ((uint64_t)2 << 20)
#define FIRST_GUESS_US 80000
#define HALF_LIFE_US   ((uint64_t)60 * SECOND_US)
/* More than this much work, and this many symbols, is halved: a node's last second says more than those before. */
#define WORK_US_MAX      SECOND_US
#define WORK_SYMBOLS_MAX 32
/* Keeps all products within 64 bits. */
#define BYTES_MAX  ((uint64_t)1 << 36)
#define GAP_US_MAX ((uint64_t)3600 * SECOND_US)
/* Bad symbols of a node, in 1/256ths, from which on it is corrupt when they are more than the good ones: three, which
 * have faded for a quarter of a minute. */
#define BAD_MIN (5 * 128)

uint64_t sw_wave_symbol_bytes_limit(const struct sw_wave_engine *engine)
{
    return sw_wave_smaller(engine->options.value_bytes_max, engine->budget->limit_bytes);
}

uint64_t sw_wave_symbol_bytes(const struct sw_wave_engine *engine, const struct wave_node *node)
{
    uint64_t seen = engine->symbol_bytes ? engine->symbol_bytes : engine->options.symbol_bytes_guess;
    uint64_t bytes = sw_wave_larger(seen, node->symbol_bytes);
    return sw_wave_larger(1, sw_wave_smaller(bytes, sw_wave_symbol_bytes_limit(engine)));
}

static uint64_t typical_rate(const struct sw_wave_engine *engine)
{
    return engine->known_count > 0 ? engine->known_rate / engine->known_count + 1 : RATE_GUESS;
}

static uint64_t time_of(uint64_t bytes, uint64_t rate)
{
    return sw_wave_smaller(sw_wave_smaller(bytes, BYTES_MAX) * SECOND_US / rate, GAP_US_MAX);
}

/* A node that never answered counts for less the more of those there are that turned out never to answer. */
static uint64_t rate_of(const struct sw_wave_engine *engine, const struct wave_node *node)
{
    if (node->rate > 0)
        return node->useful_rate;
    return typical_rate(engine) / (1 + 4 * (uint64_t)engine->silent_count / (engine->answered_count + 1)) + 1;
}

/* A larger one that a node left out says nothing of its speed. */
static uint64_t usual_symbol_bytes(const struct sw_wave_engine *engine)
{
    return sw_wave_larger(engine->symbol_bytes ? engine->symbol_bytes : engine->options.symbol_bytes_guess, 1);
}

bool sw_wave_claims_more(const struct sw_wave_engine *engine, const struct wave_node *node)
{
    return node->symbol_bytes > usual_symbol_bytes(engine);
}

uint64_t sw_wave_gap_us(const struct sw_wave_engine *engine, const struct wave_node *node)
{
    uint64_t bytes = usual_symbol_bytes(engine);

    if (node->rate > 0 && node->gap_bytes == bytes)
        return node->gap_us;
    return time_of(bytes, rate_of(engine, node));
}

static uint64_t round_trip_us(const struct sw_wave_engine *engine, const struct wave_node *node, uint64_t gap_us)
{
    uint64_t first_us = node->first_us;

    if (node->rate == 0)
        first_us = engine->known_count > 0 ? engine->known_first_us / engine->known_count : FIRST_GUESS_US;
    return first_us > gap_us ? first_us - gap_us : 0;
}

uint64_t sw_wave_round_trip_us(const struct sw_wave_engine *engine, const struct wave_node *node)
{
    return round_trip_us(engine, node, sw_wave_gap_us(engine, node));
}

uint64_t sw_wave_answer_us(const struct sw_wave_engine *engine, const struct wave_node *node, uint64_t keys)
{
    uint64_t gap_us = sw_wave_gap_us(engine, node);
    return sw_wave_larger(round_trip_us(engine, node, gap_us), keys * gap_us) + gap_us;
}

static uint32_t find_open_wanted(const struct sw_wave_engine *engine, uint32_t index, uint64_t symbol_bytes)
{
    const struct wave_node *node = &engine->nodes[index];
    uint64_t nodes = sw_route_table_count(engine->table);
    /* Twice its share, for not all nodes are at work at once. */
    uint64_t most = sw_wave_larger(engine->budget->limit_bytes * 2 / symbol_bytes / nodes, 2);
    uint64_t first = sw_wave_larger(engine->options.first_keys_max, 1);

    if (node->rate == 0)
        return (uint32_t)sw_wave_smaller(most, first);
    /* No more than it has earned: its first symbols may have come in a burst. */
    most = sw_wave_smaller(most, sw_wave_larger(first + engine->health[index].work_bytes / symbol_bytes * 2, 2));
    uint64_t ahead_us = sw_wave_round_trip_us(engine, node) + engine->options.queue_us;
    uint64_t keys = 2 + ahead_us / sw_wave_larger(sw_wave_gap_us(engine, node), 1);
    return (uint32_t)sw_wave_smaller(keys, most);
}

uint32_t sw_wave_open_wanted(const struct sw_wave_engine *engine, uint32_t index)
{
    const struct wave_node *node = &engine->nodes[index];
    uint64_t symbol_bytes = sw_wave_symbol_bytes(engine, node);

    if (node->rate > 0 && node->gap_bytes == usual_symbol_bytes(engine) && node->wanted_symbol_bytes == symbol_bytes &&
        node->wanted_work_bytes == engine->health[index].work_bytes)
        return node->wanted;
    return find_open_wanted(engine, index, symbol_bytes);
}

/* Half of it is gone after a minute. */
static uint64_t faded(uint64_t amount, uint64_t age_us)
{
    uint64_t halvings = age_us / HALF_LIFE_US;
    if (halvings > 63)
        return 0;
    amount >>= halvings;
    return amount - amount / 2 * (age_us % HALF_LIFE_US / 1000) / (HALF_LIFE_US / 1000);
}

static void fade(struct sw_wave_node_health *health, uint64_t now_us)
{
    uint64_t age_us = now_us > health->measured_us ? now_us - health->measured_us : 0;

    if (age_us < SECOND_US && health->measured_us > 0)
        return;
    health->work_bytes = faded(health->work_bytes, age_us);
    health->work_us = faded(health->work_us, age_us);
    health->silent_us = faded(health->silent_us, age_us);
    health->good = faded(health->good, age_us);
    health->bad = faded(health->bad, age_us);
    health->measured_us = now_us;
}

bool sw_wave_health_is_corrupt(const struct sw_wave_node_health *health)
{
    return health->bad >= BAD_MIN && health->bad > health->good;
}

void sw_wave_health_judge(struct sw_wave_engine *engine, uint32_t node, uint32_t good, uint32_t bad)
{
    struct sw_wave_node_health *health = &engine->health[node];

    fade(health, engine->now_us);
    health->good += (uint64_t)good * 256;
    health->bad += (uint64_t)bad * 256;
}

/* The rate of a node of which only first symbols came: what the others' round trip leaves of their time. */
static uint64_t rate_of_first(const struct sw_wave_engine *engine, uint64_t first_us, uint64_t symbol_bytes)
{
    uint64_t gap_us = time_of(symbol_bytes, typical_rate(engine)), round_trip_us = first_us / 2;

    if (engine->known_count > 0) {
        uint64_t others_us = engine->known_first_us / engine->known_count;
        round_trip_us = others_us > gap_us ? others_us - gap_us : 0;
    }
    uint64_t own_us = first_us > round_trip_us ? first_us - round_trip_us : 0;
    return symbol_bytes * SECOND_US / (sw_wave_larger(own_us, gap_us / 2) + 1) + 1;
}

/*
 * What of the node's rate counts: only good symbols, for it is of no use that one is quick to say that it lacks
 * everything; and its silence, as if that had been work.
 */
static uint64_t useful_rate(const struct sw_wave_engine *engine, uint32_t index, uint64_t symbol_bytes)
{
    const struct sw_wave_node_stats *stats = &engine->node_stats[index];
    const struct sw_wave_node_health *health = &engine->health[index];
    uint64_t answers = stats->found + stats->missing + stats->corrupt, rate = engine->nodes[index].rate;
    uint64_t bytes = health->work_bytes + symbol_bytes, us = time_of(bytes, rate);

    rate = bytes * SECOND_US / (us + sw_wave_smaller(health->silent_us, GAP_US_MAX) + 1);
    return rate / (answers + 1) * (stats->found + 1) + 1;
}

/* What the node is known for, from the health, as the lists and the sums have it. */
static void measure(struct sw_wave_engine *engine, uint32_t index)
{
    struct wave_node *node = &engine->nodes[index];
    const struct sw_wave_node_health *health = &engine->health[index];
    uint64_t symbol_bytes = sw_wave_smaller(usual_symbol_bytes(engine), BYTES_MAX);

    if (node->is_known) {
        engine->known_rate -= node->rate;
        engine->known_first_us -= node->first_us;
        engine->known_count--;
    }
    engine->answered_count += node->rate == 0;
    node->is_known = health->work_us > 0;
    node->first_us = sw_wave_smaller(health->first_us, GAP_US_MAX);
    if (node->is_known) {
        /* The others' rate weighs as much as a fourth of a symbol. */
        uint64_t rate = (health->work_bytes * 4 + symbol_bytes) * SECOND_US /
                        (health->work_us * 4 + time_of(symbol_bytes, typical_rate(engine)) + 1);
        node->rate = sw_wave_smaller(rate, BYTES_MAX) + 1;
        engine->known_rate += node->rate;
        engine->known_first_us += node->first_us;
        engine->known_count++;
    } else {
        node->rate = node->first_us > 0 ? rate_of_first(engine, node->first_us, symbol_bytes) : typical_rate(engine);
    }
    node->useful_rate = useful_rate(engine, index, symbol_bytes);
    node->gap_us = time_of(symbol_bytes, node->useful_rate);
    node->gap_bytes = symbol_bytes;
    node->wanted_symbol_bytes = sw_wave_symbol_bytes(engine, node);
    node->wanted_work_bytes = health->work_bytes;
    node->wanted = find_open_wanted(engine, index, node->wanted_symbol_bytes);
    sw_wave_rate_work(engine, index);
}

void sw_wave_rate_expect(struct sw_wave_engine *engine, uint32_t index)
{
    struct wave_node *node = &engine->nodes[index];

    if (node->late)
        return;
    node->due_round_trip_us = sw_wave_round_trip_us(engine, node);
    node->due_gap_us = node->rate ? time_of(usual_symbol_bytes(engine), node->rate) : sw_wave_gap_us(engine, node);
}

void sw_wave_rate_work(struct sw_wave_engine *engine, uint32_t index)
{
    struct wave_node *node = &engine->nodes[index];
    uint64_t rate = node->open > 0 && !node->late ? rate_of(engine, node) : 0;

    engine->busy_rate += rate - node->busy_rate;
    node->busy_rate = rate;
}

void sw_wave_rate_start(struct sw_wave_engine *engine)
{
    for (uint32_t index = 0; index < sw_route_table_count(engine->table); index++) {
        struct sw_wave_node_health *health = &engine->health[index];
        if (health->measured_us == 0)
            continue;
        fade(health, engine->now_us);
        if (health->work_us > 0)
            measure(engine, index);
    }
}

static void add_work(struct sw_wave_engine *engine, uint32_t index, uint64_t bytes, uint64_t us)
{
    struct sw_wave_node_health *health = &engine->health[index];

    fade(health, engine->now_us);
    health->work_bytes = sw_wave_smaller(health->work_bytes + bytes, BYTES_MAX);
    health->work_us = sw_wave_smaller(health->work_us + us, GAP_US_MAX);
    if (health->work_us > WORK_US_MAX &&
        health->work_bytes > WORK_SYMBOLS_MAX * sw_wave_symbol_bytes(engine, &engine->nodes[index])) {
        health->work_us /= 2;
        health->work_bytes /= 2;
    }
}

void sw_wave_rate_answer(struct sw_wave_engine *engine, const struct wave_request *request, uint64_t bytes)
{
    struct wave_node *node = &engine->nodes[request->node];
    struct sw_wave_node_health *health = &engine->health[request->node];
    uint64_t now_us = engine->now_us;
    bool had_work = request->answered > 0 || request->left_out > 0 ||
                    sw_wave_later(request->sent_us, sw_wave_round_trip_us(engine, node)) < node->last_us;

    if (had_work) {
        /* A longer time is not its own: it would have been given up. */
        uint64_t took_us = now_us > node->last_us ? now_us - node->last_us : 0;
        add_work(engine, request->node, bytes, sw_wave_smaller(took_us, engine->options.stall_timeout_us));
    } else {
        uint64_t took_us = now_us > request->sent_us ? now_us - request->sent_us : 0;
        took_us += bytes > 0 ? 0 : sw_wave_gap_us(engine, node);
        if (node->rate == 0 || health->first_us == 0)
            health->first_us = took_us;
        else if (took_us < health->first_us)
            health->first_us -= (health->first_us - took_us) / 2;
        else
            health->first_us += (took_us - health->first_us) / 8;
        fade(health, engine->now_us);
    }
    health->silent_us = 0;
    node->last_us = sw_wave_larger(node->last_us, now_us);
    measure(engine, request->node);
}

void sw_wave_rate_silence(struct sw_wave_engine *engine, uint32_t index)
{
    struct wave_node *node = &engine->nodes[index];

    engine->silent_count += node->rate == 0;
    engine->answered_count -= node->rate == 0;
    engine->health[index].silent_us = engine->now_us > node->last_us ? engine->now_us - node->last_us : 0;
    measure(engine, index);
}
