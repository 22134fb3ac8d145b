/*
 * How near the engine comes to the ideal in a network with a bad tail: the time that a retrieval takes as a multiple of
 * the soonest possible, and the bytes that nodes send as a multiple of those needed. Times are virtual. A table is
 * printed, and the medians are held to bounds.
 *
 *     SYMWAVE_SEEDS=200   so many seeds a row instead of a few
 *     SYMWAVE_SEED=7      from that one on
 *     SYMWAVE_ROW=stall   only rows whose name has this in it
 *     SYMWAVE_RUNS=1      one line a run too
 *     SYMWAVE_TRACE=1     everything that happens in each run, too: for one seed of one row
 */
#include "client/core/test/sim.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS_MAX 1000
/* Steps between two looks at the engine's whole inside, which would take most of the time. */
#define CHECK_EVERY 50021

enum kind {
    HEALTHY,
    SLOW,
    STALL,
    TRICKLE,
    CORRUPT,
    PRIMARIES,
    KINDS
};

static const struct {
    const char *name;
    double time_max, bytes_max; /* of the medians; 0: whatever it is */
    bool needs_others;          /* makes no sense with one node */
} kinds[KINDS] = {
    [HEALTHY] = {"all healthy", 1.10, 1.02, false},
    [SLOW] = {"20 % ten times slower", 1.25, 1.10, false},
    [STALL] = {"20 % stall after a symbol", 1.50, 1.10, true},
    [TRICKLE] = {"20 % trickle", 1.50, 1.10, true},
    [CORRUPT] = {"5 % corrupt, 10 % liars", 1.25, 1.15, true},
    [PRIMARIES] = {"every primary stalls", 0, 1.30, true},
};

struct size {
    uint32_t nodes, keys, per_cent;
    uint32_t seeds; /* where the environment says nothing */
};

static uint64_t first_seed;

static struct sim_options options_of(const struct size *size, enum kind kind, uint64_t seed)
{
    struct sim_options options = sim_network_defaults(seed);
    struct sim_network *network = &options.network;

    options.node_count = size->nodes;
    options.key_count = size->keys;
    options.required = (uint32_t)((uint64_t)size->keys * size->per_cent / 100);
    options.wave.first_keys_max = sw_wave_first_keys(options.required, size->nodes);
    options.wave.hedge_keys_min = 32;
    options.check_every = CHECK_EVERY;
    if (getenv("SYMWAVE_TRACE"))
        options.trace = stdout;
    network->all_obtainable = true;
    network->per_cent[SIM_TEN_TIMES_SLOWER] = kind == SLOW ? 20 : 0;
    network->per_cent[SIM_STALLS] = kind == STALL ? 20 : kind == PRIMARIES ? 50 : 0;
    network->per_cent[SIM_TRICKLES] = kind == TRICKLE ? 20 : 0;
    network->per_cent[SIM_LYING] = kind == CORRUPT ? 5 : 0;
    network->per_cent[SIM_DENYING] = kind == CORRUPT ? 5 : 0;
    network->corrupt_per_mille = kind == CORRUPT ? 50 : 0;
    network->primaries_stall = kind == PRIMARIES;
    return options;
}

struct row {
    char name[80];
    uint32_t seeds, failed; /* failed: did not end with all that was required */
    double times[SEEDS_MAX], bytes[SEEDS_MAX];
};

static void run(struct row *row, const struct sim_options *options)
{
    struct sim_result result = sim_run(options);
    double needed = (double)options->required * options->network.symbol_bytes;
    double time = (double)result.end_us / (double)result.ideal_us, bytes = (double)result.wire_bytes / needed;

    if (getenv("SYMWAVE_RUNS"))
        printf("  seed %" PRIu64 ": %s, %.1f of %.1f ms = %.3f, bytes %.4f; %" PRIu64 " requests, %" PRIu64
               " failed, %" PRIu64 " leases out, %" PRIu64 " lapsed, %" PRIu64 " hedges, %" PRIu64 " won, %" PRIu64
               " symbols wasted\n",
               options->seed, sw_status_name(result.status), (double)result.end_us / 1000,
               (double)result.ideal_us / 1000, time, bytes, result.stats.requests, result.stats.requests_failed,
               result.stats.leases_out, result.stats.leases_lapsed, result.stats.hedges_sent, result.stats.hedges_won,
               result.stats.symbols_wasted);
    row->failed += result.status != SW_OK;
    row->times[row->seeds] = time;
    row->bytes[row->seeds++] = bytes;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The smallest that at least so many per cent do not exceed. */
static double percentile(const double *sorted, uint32_t count, uint32_t per_cent)
{
    return sorted[(count * per_cent + 99) / 100 - 1];
}

/* Runs a row, prints it, and says whether it kept its bounds. */
static bool run_row(const struct size *size, enum kind kind)
{
    static struct row row;
    const char *only = getenv("SYMWAVE_ROW"), *seeds = getenv("SYMWAVE_SEEDS");
    uint32_t count = seeds ? (uint32_t)strtoul(seeds, NULL, 0) : size->seeds;

    row = (struct row){0};
    snprintf(row.name, sizeof(row.name), "%4" PRIu32 " nodes %6" PRIu32 " keys %3" PRIu32 " %% %s", size->nodes,
             size->keys, size->per_cent, kinds[kind].name);
    if (only && !strstr(row.name, only))
        return true;
    for (uint32_t i = 0; i < count && i < SEEDS_MAX; i++) {
        struct sim_options options = options_of(size, kind, first_seed + i);
        run(&row, &options);
    }
    qsort(row.times, row.seeds, sizeof(row.times[0]), compare);
    qsort(row.bytes, row.seeds, sizeof(row.bytes[0]), compare);
    double time = percentile(row.times, row.seeds, 50), bytes = percentile(row.bytes, row.seeds, 50);
    bool is_slow = kinds[kind].time_max > 0 && time > kinds[kind].time_max, is_fat = bytes > kinds[kind].bytes_max;
    printf("%-56s %8.3f %8.3f %8.3f %8.3f %5" PRIu32 "%s%s%s\n", row.name, time, percentile(row.times, row.seeds, 99),
           bytes, percentile(row.bytes, row.seeds, 99), row.seeds, is_slow ? "  TIME" : "", is_fat ? "  BYTES" : "",
           row.failed ? "  SHORT" : "");
    fflush(stdout);
    return !is_slow && !is_fat && row.failed == 0;
}

static void test_rows(void **state)
{
    const struct size *size = *state;
    unsigned failed = 0;

    for (int kind = 0; kind < KINDS; kind++)
        if (size->nodes > 1 || !kinds[kind].needs_others)
            failed += !run_row(size, (enum kind)kind);
    assert_int_equal(failed, 0);
}

int main(void)
{
    static struct size sizes[] = {
        {50, 10000, 17, 11}, {50, 1500, 17, 101}, {50, 6000, 17, 11},   {50, 100000, 17, 1},
        {1, 10000, 17, 3},   {3, 10000, 17, 3},   {1000, 10000, 17, 3}, {50, 10000, 100, 1},
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_rows, &sizes[0]), cmocka_unit_test_prestate(test_rows, &sizes[1]),
        cmocka_unit_test_prestate(test_rows, &sizes[2]), cmocka_unit_test_prestate(test_rows, &sizes[3]),
        cmocka_unit_test_prestate(test_rows, &sizes[4]), cmocka_unit_test_prestate(test_rows, &sizes[5]),
        cmocka_unit_test_prestate(test_rows, &sizes[6]), cmocka_unit_test_prestate(test_rows, &sizes[7]),
    };
    first_seed = sim_seed();
    printf("%-56s %8s %8s %8s %8s %5s\n", "", "time", "p99", "bytes", "p99", "seeds");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
