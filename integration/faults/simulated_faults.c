/*
 * The faults of networks and nodes once more, where nothing but the engine is real: simulated_faults [SEEDS]
 *
 * For each trouble a hundred nodes of which ten have it, each key being held by six, and a thousand keys; over many
 * seeds, with nodes of different speeds and a jitter. Prints a line for each; exits with 1 where symbols did not come
 * though one of their nodes was well, or where more than half as much again was sent.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <symwave/testing.h>

#define NODES 100
#define KEYS  1000
#define BYTES 65536

static const struct {
    enum sw_test_trouble trouble;
    const char *name;
} troubles[] = {
    {SW_TEST_FINE, "nothing is wrong"},
    {SW_TEST_SLOWER, "ten times slower"},
    {SW_TEST_STALLS, "stall after a symbol"},
    {SW_TEST_TRICKLES, "send 1,000 bytes a second"},
    {SW_TEST_DENIES, "lack every key"},
    {SW_TEST_LIES, "lie"},
    {SW_TEST_REFUSES, "refuse"},
    {SW_TEST_MUTE, "take requests and say nothing"},
};

int main(int argc, char **argv)
{
    const uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 50;
    int status = 0;
    for (size_t i = 0; i < sizeof(troubles) / sizeof(*troubles); i++) {
        struct sw_test_network_node nodes[NODES];
        uint64_t slowest_us = 0, most_bytes = 0, short_runs = 0;
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            for (uint32_t node = 0; node < NODES; node++)
                nodes[node] = (struct sw_test_network_node){
                    .bytes_per_second = 1000000 + node % 7 * 1000000,
                    .round_trip_us = 5000 + node % 5 * 20000,
                    .trouble = (node + seed) % 10 == 0 ? troubles[i].trouble : SW_TEST_FINE,
                };
            const struct sw_test_network network = {.size = sizeof(network),
                                                    .nodes = nodes,
                                                    .node_count = NODES,
                                                    .key_count = KEYS,
                                                    .required = KEYS,
                                                    .jitter_per_cent = 50,
                                                    .seed = seed};
            struct sw_test_network_result result;
            struct sw_error error;
            if (sw_test_simulate(&network, NULL, &result, sizeof(result), &error) != SW_OK) {
                fprintf(stderr, "simulated_faults: %s\n", error.message);
                return 2;
            }
            short_runs += result.status != SW_OK || result.found != KEYS;
            slowest_us = result.elapsed_us > slowest_us ? result.elapsed_us : slowest_us;
            most_bytes = result.bytes_sent > most_bytes ? result.bytes_sent : most_bytes;
        }
        const uint64_t per_cent = most_bytes * 100 / ((uint64_t)KEYS * BYTES);
        printf("a tenth %s: %" PRIu64 " of %" PRIu64 " complete, slowest %.2f s, at most %" PRIu64 " %% sent\n",
               troubles[i].name, seeds - short_runs, seeds, (double)slowest_us / 1e6, per_cent);
        if (short_runs > 0 || per_cent > 150)
            status = 1;
    }
    return status;
}
