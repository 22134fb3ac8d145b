/*
 * What the wave engine itself costs a symbol: its processor time and its memory, of 10,000 and of 1,000,000 keys at 50
 * healthy nodes. Prints samples, one a thing and round:
 *
 *     bench_engine [ROUNDS [CASE]]
 *
 * CASE takes only cases whose name has this in it. Each retrieval is recorded once with a network in memory, and then
 * replayed against fresh engines. The time is that of sw_wave_step and sw_wave_deadline, which the client calls after
 * each step, and of making and freeing the engine; it is this thread's processor time, divided by the symbols
 * delivered. Events are written down a few hundred at a time, while the clock stands, and their keys are copies of the
 * engine's, so that the engine finds its own as cold as it would. Beside it: what hashing such a symbol costs, which
 * each symbol needs too.
 */
#include "common/blake3.h"
#include "integration/bench/engine_network.h"
#include "integration/bench/meter.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 512
/* A round replays a short retrieval until it has been so many symbols. */
#define SYMBOLS_A_ROUND 100000
#define HASHES_A_ROUND  4000

#define WIDE                                                                                                           \
    .bandwidth_min = 1000000, .bandwidth_max = 4000000, .round_trip_us_min = 5000, .round_trip_us_max = 50000,         \
    .downlink = 125000000, .sink_ns = 50000
#define LOOPBACK                                                                                                       \
    .bandwidth_min = 400000000, .bandwidth_max = 800000000, .round_trip_us_min = 150, .round_trip_us_max = 300,        \
    .downlink = 2000000000, .sink_ns = 10000

/* Of all keys also a number in between: the window, 12,000 keys, holds the smallest whole. */
static const struct network_case cases[] = {
    {"10000 keys, all", 10000, 10000, WIDE},
    {"100000 keys, all", 100000, 100000, WIDE},
    {"1000000 keys, all", 1000000, 1000000, WIDE},
    {"10000 keys, 17 %", 10000, 1700, WIDE},
    {"1000000 keys, 17 %", 1000000, 170000, WIDE},
    {"10000 keys, loopback", 10000, 10000, LOOPBACK},
    {"1000000 keys, loopback", 1000000, 1000000, LOOPBACK},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* What one case needs in every round. */
struct recorded {
    struct network_setup setup;
    struct sw_key *keys_as_they_come;
    struct tape tape;
};

struct cost {
    double seconds;
    uint64_t allocations; /* by steps */
    size_t peak_bytes;
};

static struct recorded record(const struct network_case *what)
{
    const size_t bytes = what->key_count * sizeof(struct sw_key);
    struct recorded recorded = {.setup = network_setup_new(what), .keys_as_they_come = malloc(bytes)};

    if (!recorded.keys_as_they_come)
        meter_die("no memory");
    memcpy(recorded.keys_as_they_come, recorded.setup.keys, bytes);
    recorded.tape = network_record(&recorded.setup, what);
    return recorded;
}

static double replay_events(struct sw_wave_engine *engine, const struct recorded *recorded)
{
    static struct sw_wave_event events[CHUNK];
    const struct tape *tape = &recorded->tape;
    uint64_t actions = 0, deadlines_us = 0;
    double seconds = 0;

    for (size_t done = 0, count; done < tape->count; done += count) {
        count = tape->count - done < CHUNK ? tape->count - done : CHUNK;
        for (size_t i = 0; i < count; i++)
            events[i] = network_event(&tape->events[done + i], recorded->keys_as_they_come);
        const double start = meter_seconds();
        for (size_t i = 0; i < count; i++) {
            actions += sw_wave_step(engine, &events[i]).count;
            deadlines_us += sw_wave_deadline(engine);
        }
        seconds += meter_seconds() - start;
    }
    if (actions != tape->actions || deadlines_us == 0 || !sw_wave_is_done(engine) ||
        sw_wave_stats(engine)->delivered != tape->delivered)
        meter_die("the replay went another way than the record");
    return seconds;
}

static struct cost replay(struct recorded *recorded, const struct network_case *what)
{
    struct cost cost = {0};

    meter_reset_peak();
    const size_t bytes = meter_memory().bytes;
    double start = meter_seconds();
    struct sw_wave_engine *engine = network_engine_new(&recorded->setup, what);
    cost.seconds += meter_seconds() - start;
    cost.allocations = meter_memory().allocations;
    cost.seconds += replay_events(engine, recorded);
    cost.allocations = meter_memory().allocations - cost.allocations;
    start = meter_seconds();
    sw_wave_engine_free(engine);
    cost.seconds += meter_seconds() - start;
    cost.peak_bytes = meter_memory().peak_bytes - bytes;
    return cost;
}

static void measure_engine(struct recorded *recorded, const struct network_case *what)
{
    const uint32_t replays = (SYMBOLS_A_ROUND - 1) / recorded->tape.delivered + 1;
    const double symbols = (double)recorded->tape.delivered * replays;
    double seconds = 0, allocations = 0;
    size_t peak_bytes = 0;

    for (uint32_t i = 0; i < replays; i++) {
        const struct cost cost = replay(recorded, what);
        seconds += cost.seconds;
        allocations += (double)cost.allocations;
        peak_bytes = cost.peak_bytes;
    }
    printf("{\"row\":\"engine\",\"case\":\"%s\",\"what\":\"engine\",\"figures\":{\"ns_per_symbol\":%.1f,"
           "\"allocations_per_symbol\":%.6g,\"memory_bytes_per_key\":%.1f,\"events_per_symbol\":%.3f}}\n",
           what->name, seconds * 1e9 / symbols, allocations / symbols, (double)peak_bytes / what->key_count,
           (double)recorded->tape.count / recorded->tape.delivered);
}

static void measure_hash(void)
{
    static uint8_t symbol[NETWORK_SYMBOL_BYTES];
    uint8_t hash[SW_BLAKE3_BYTES];
    const double start = meter_seconds();

    for (int i = 0; i < HASHES_A_ROUND; i++) {
        sw_blake3(symbol, sizeof(symbol), hash);
        symbol[0] = hash[0];
    }
    printf("{\"row\":\"engine\",\"case\":\"a symbol of 65536 bytes\",\"what\":\"sw_blake3\",\"figures\":{"
           "\"ns_per_symbol\":%.1f}}\n",
           (meter_seconds() - start) * 1e9 / HASHES_A_ROUND);
}

int main(int argc, char **argv)
{
    static struct recorded recorded[CASES];
    const int rounds = argc > 1 ? atoi(argv[1]) : 5;
    const char *part = argc > 2 ? argv[2] : "";

    for (size_t c = 0; c < CASES; c++)
        if (strstr(cases[c].name, part))
            recorded[c] = record(&cases[c]);
    for (int round = 0; round < rounds; round++) {
        for (size_t c = 0; c < CASES; c++)
            if (recorded[c].tape.count > 0)
                measure_engine(&recorded[c], &cases[c]);
        measure_hash();
    }
    for (size_t c = 0; c < CASES; c++) {
        network_setup_clear(&recorded[c].setup);
        free(recorded[c].keys_as_they_come);
        free(recorded[c].tape.events);
    }
    return 0;
}
