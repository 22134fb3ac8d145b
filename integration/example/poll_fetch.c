/*
 * poll_fetch NODES KEY...: fetches symbols inside of a program's own poll loop, beside its other work, here a clock
 * that ticks. Every callback runs in the loop, so nothing needs a lock.
 */
#include "symwave/symwave.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum sw_status take(const struct sw_symbol *symbol, struct sw_error *error, void *user_data)
{
    size_t *bytes = user_data;
    (void)error;
    *bytes += symbol->value_bytes;
    return SW_OK;
}

/* The program's loop. Returns how the call ended. */
static enum sw_status loop(struct sw_call *call, unsigned *ticks, struct sw_error *error)
{
    for (;;) {
        struct pollfd fd = {.fd = sw_call_fd(call), .events = POLLIN};
        if (poll(&fd, 1, 100) == 0)
            ++*ticks;
        else if (sw_call_dispatch(call))
            return sw_retrieve_end(call, NULL, error);
    }
}

int main(int argc, char **argv)
{
    struct sw_node_list *nodes = NULL;
    struct sw_client *client = NULL;
    struct sw_call *call = NULL;
    struct sw_error error = {.message = "usage: poll_fetch NODES KEY..."};
    size_t count = argc > 2 ? (size_t)argc - 2 : 0, bytes = 0;
    unsigned ticks = 0;
    struct sw_key *keys = calloc(count + 1, sizeof(*keys));
    enum sw_status status = keys && count > 0 ? SW_OK : SW_INVALID_ARGUMENT;

    for (size_t i = 0; status == SW_OK && i < count; i++)
        status = sw_key_parse(argv[i + 2], strlen(argv[i + 2]), &keys[i], &error);
    if (status == SW_OK)
        status = sw_node_list_load(argv[1], &nodes, &error);
    if (status == SW_OK)
        status = sw_client_open(NULL, nodes, &client, &error);
    if (status == SW_OK) {
        const struct sw_sink sink = {.take = take, .user_data = &bytes};
        struct sw_call_options options = SW_CALL_OPTIONS_INIT;
        options.dispatch = true;
        status = sw_retrieve_start(client, keys, count, NULL, &sink, &options, &call, &error);
    }
    if (status == SW_OK)
        status = loop(call, &ticks, &error);
    if (status == SW_OK)
        printf("%zu bytes of %zu symbols\n", bytes, count);
    else
        fprintf(stderr, "poll_fetch: %s\n", error.message);
    sw_client_close(client);
    sw_node_list_free(nodes);
    free(keys);
    return status == SW_OK ? 0 : 1;
}
