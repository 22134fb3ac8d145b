/*
 * Stores random symbols at a node until it is gone, and writes down what the node called durable: a key a line, in
 * base58. For test_crash.sh.
 *
 *     crash_stores NODES SEED KEYS_FILE
 */
#include "symwave/symwave.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES      32
#define VALUE_BYTES 16384

static uint64_t state;

/* SplitMix64. */
static uint64_t next_random(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void stored(uint64_t index, const struct sw_key *key, uint32_t replicas, uint32_t wanted, void *user_data)
{
    char text[SW_KEY_BASE58_SIZE];
    (void)index;
    (void)wanted;
    if (replicas == 0)
        return;
    sw_key_to_base58(key, text);
    fprintf(user_data, "%s\n", text);
}

int main(int argc, char **argv)
{
    static uint64_t bytes[VALUES][VALUE_BYTES / 8];
    struct sw_value values[VALUES];
    struct sw_node_list *nodes;
    struct sw_client *client;
    struct sw_error error;
    FILE *keys = argc == 4 ? fopen(argv[3], "a") : NULL;
    if (!keys || sw_node_list_load(argv[1], &nodes, &error) != SW_OK)
        return 2;
    const struct sw_client_options client_options = {.size = sizeof(client_options), .store_timeout_ms = 2000};
    if (sw_client_open(&client_options, nodes, &client, &error) != SW_OK)
        return 2;
    state = strtoull(argv[2], NULL, 10);
    enum sw_status status = SW_OK;
    while (status == SW_OK) {
        for (int i = 0; i < VALUES; i++) {
            /* Sizes around where RocksDB begins to keep values apart. */
            const size_t count = i % 4 == 0 ? 100 + next_random() % 8000 : VALUE_BYTES;
            for (size_t j = 0; j < VALUE_BYTES / 8; j++)
                bytes[i][j] = next_random();
            values[i] = (struct sw_value){.bytes = bytes[i], .bytes_count = count};
        }
        const struct sw_store_options options = {.size = sizeof(options), .stored = stored, .stored_data = keys};
        status = sw_store(client, values, VALUES, &options, NULL, &error);
        fflush(keys);
    }
    sw_client_close(client);
    sw_node_list_free(nodes);
    fclose(keys);
    return 0;
}
