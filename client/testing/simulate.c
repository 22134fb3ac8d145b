/* A retrieval over a network that is described: the door to the simulator. */
#include "client/core/test/sim_world.h"
#include "symwave/testing.h"
#include <string.h>

#define NODES_MAX        10000
#define KEYS_MAX         1000000
#define SYMBOL_BYTES_MAX ((uint32_t)1 << 20)

void sim_end_test(const char *file, int line)
{
    fprintf(stderr, "%s:%d: the simulation cannot go on\n", file, line);
    abort();
}

static enum sim_trouble trouble_of(enum sw_test_trouble trouble)
{
    static const enum sim_trouble troubles[] = {
        [SW_TEST_FINE] = SIM_FINE,        [SW_TEST_SLOWER] = SIM_TEN_TIMES_SLOWER,
        [SW_TEST_STALLS] = SIM_STALLS,    [SW_TEST_TRICKLES] = SIM_TRICKLES,
        [SW_TEST_DENIES] = SIM_DENYING,   [SW_TEST_LIES] = SIM_LYING,
        [SW_TEST_REFUSES] = SIM_REFUSING, [SW_TEST_MUTE] = SIM_MUTE,
    };
    return troubles[trouble];
}

static enum sw_status check_nodes(const struct sw_test_network *network, struct sw_error *error)
{
    for (uint32_t i = 0; i < network->node_count; i++) {
        const struct sw_test_network_node *node = &network->nodes[i];
        if (node->bytes_per_second < 1000 || node->bytes_per_second > (uint64_t)1 << 40)
            return sw_error_set(error, SW_INVALID_ARGUMENT, "node %u: %llu bytes a second: 1,000 to 2^40", i,
                                (unsigned long long)node->bytes_per_second);
        if (node->round_trip_us > 60000000)
            return sw_error_set(error, SW_INVALID_ARGUMENT, "node %u: a round trip of %u us: a minute at most", i,
                                node->round_trip_us);
        if (node->trouble < SW_TEST_FINE || node->trouble > SW_TEST_MUTE)
            return sw_error_set(error, SW_INVALID_ARGUMENT, "node %u: no such trouble", i);
    }
    return SW_OK;
}

static enum sw_status check(const struct sw_test_network *network, struct sw_error *error)
{
    if (!network->nodes || network->node_count < 1 || network->node_count > NODES_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%u nodes: a network has 1 to %d", network->node_count,
                            NODES_MAX);
    if (network->key_count < 1 || network->key_count > KEYS_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%u keys: 1 to %d", network->key_count, KEYS_MAX);
    if (network->required < 1 || network->required > network->key_count)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%u of %u keys are required", network->required,
                            network->key_count);
    if (network->symbol_bytes > SYMBOL_BYTES_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "symbols of %u bytes: at most %u", network->symbol_bytes,
                            SYMBOL_BYTES_MAX);
    if (network->jitter_per_cent > 100)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "jitter of %u %%: at most 100", network->jitter_per_cent);
    if (network->budget_bytes > 0 && network->budget_bytes < network->symbol_bytes)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a budget of %llu bytes has no room for a symbol",
                            (unsigned long long)network->budget_bytes);
    if (network->downlink_bytes_per_second > 0 && network->downlink_bytes_per_second < 1000)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "a downlink has at least 1,000 bytes a second");
    return check_nodes(network, error);
}

static struct sim_options options_of(const struct sw_test_network *network, const struct sim_node_script *script,
                                     FILE *told)
{
    struct sim_options options = sim_network_defaults(network->seed);
    options.node_count = network->node_count;
    options.key_count = network->key_count;
    options.required = network->required;
    options.sink_us_max = 0;
    options.check_every = UINT32_MAX;
    options.trace = told;
    options.network.script = script;
    options.network.ideal = false;
    options.network.jitter_per_cent = network->jitter_per_cent;
    if (network->symbol_bytes > 0)
        options.network.symbol_bytes = network->symbol_bytes;
    if (network->budget_bytes > 0)
        options.budget_bytes = network->budget_bytes;
    if (network->downlink_bytes_per_second > 0)
        options.network.downlink = network->downlink_bytes_per_second;
    options.wave.symbol_bytes_guess = options.network.symbol_bytes;
    return options;
}

enum sw_status sw_test_simulate(const struct sw_test_network *network, FILE *told,
                                struct sw_test_network_result *result, size_t result_bytes, struct sw_error *error)
{
    struct sw_test_network copy = {.size = 0};
    memcpy(&copy, network, network->size < sizeof(copy) ? network->size : sizeof(copy));
    enum sw_status status = check(&copy, error);
    if (status != SW_OK)
        return status;
    struct sim_node_script *script = calloc(copy.node_count, sizeof(*script));
    if (!script)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for %u nodes", copy.node_count);
    for (uint32_t i = 0; i < copy.node_count; i++)
        script[i] = (struct sim_node_script){.trouble = trouble_of(copy.nodes[i].trouble),
                                             .bandwidth = copy.nodes[i].bytes_per_second,
                                             .round_trip_us = copy.nodes[i].round_trip_us};
    const struct sim_options options = options_of(&copy, script, told);
    const struct sim_result ran = sim_run(&options);
    free(script);
    struct sw_test_network_result now;
    memset(&now, 0, sizeof(now)); /* between the fields too: callers compare results as bytes */
    now.status = ran.status;
    now.elapsed_us = ran.end_us;
    now.found = ran.delivered;
    now.keys_asked = ran.keys_sent;
    now.requests = ran.stats.requests;
    now.requests_failed = ran.stats.requests_failed;
    now.bytes_sent = ran.wire_bytes;
    now.hedges = ran.keys_hedged;
    now.waves = ran.stats.wave_count;
    memset(result, 0, result_bytes);
    memcpy(result, &now, result_bytes < sizeof(now) ? result_bytes : sizeof(now));
    return SW_OK;
}
