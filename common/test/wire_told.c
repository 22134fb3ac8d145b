/* See wire_told.h. */
#include "wire_told.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static uint64_t random_state;

uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

int seed_random(void **state)
{
    const char *seed = getenv("SYMWAVE_SEED");

    (void)state;
    random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    random_state += random_state == 0;
    print_message("SYMWAVE_SEED=%llu\n", (unsigned long long)random_state);
    return 0;
}

struct sw_rpc_message *cut(const uint8_t *bytes, size_t count, int how)
{
    struct sw_rpc_message *message = sw_rpc_message_new();

    for (size_t at = 0, part; at < count; at += part) {
        part = how == 0 ? count : how == 1 ? 1 : 1 + random_next() % 40;
        part = part < count - at ? part : count - at;
        sw_rpc_message_add_copy(message, bytes + at, part);
    }
    return message;
}

static bool goes_on(struct told *told)
{
    return ++told->callbacks != told->stop_after;
}

static ProtobufCBinaryData data_of(const void *bytes, size_t count)
{
    ProtobufCBinaryData data = {.len = count, .data = count ? malloc(count) : NULL};
    if (count)
        memcpy(data.data, bytes, count);
    return data;
}

static ProtobufCBinaryData data_of_value(const struct sw_wire_value *value)
{
    uint8_t *scratch = malloc(value->bytes + 1);
    ProtobufCBinaryData data = data_of(sw_wire_value_flatten(value, scratch), value->bytes);
    free(scratch);
    return data;
}

static bool on_symbol(void *state, const struct sw_key *key, const struct sw_wire_value *value)
{
    struct told *told = state;
    Symwave__V1__Symbol *symbol = malloc(sizeof(*symbol));

    symwave__v1__symbol__init(symbol);
    symbol->key = data_of(key->bytes, SW_KEY_BYTES);
    symbol->value = data_of_value(value);
    told->response.symbols = realloc(told->response.symbols, (told->response.n_symbols + 1) * sizeof(void *));
    told->response.symbols[told->response.n_symbols++] = symbol;
    return goes_on(told);
}

static void add_key(ProtobufCBinaryData **keys, size_t *count, const struct sw_key *key)
{
    *keys = realloc(*keys, (*count + 1) * sizeof(**keys));
    (*keys)[(*count)++] = data_of(key->bytes, SW_KEY_BYTES);
}

static bool on_missing(void *state, const struct sw_key *key)
{
    struct told *told = state;
    add_key(&told->response.missing, &told->response.n_missing, key);
    return goes_on(told);
}

static bool on_left_out(void *state, const struct sw_key *key)
{
    struct told *told = state;
    add_key(&told->response.left_out, &told->response.n_left_out, key);
    return goes_on(told);
}

static bool on_corrupt(void *state, const struct sw_key *key)
{
    struct told *told = state;
    add_key(&told->response.corrupt, &told->response.n_corrupt, key);
    return goes_on(told);
}

static bool on_held(void *state, const struct sw_key *key)
{
    struct told *told = state;
    add_key(&told->response.held, &told->response.n_held, key);
    return goes_on(told);
}

static bool on_left_out_bytes(void *state, uint64_t bytes)
{
    struct told *told = state;
    told->response.left_out_bytes = bytes;
    told->left_out_bytes_count++;
    return goes_on(told);
}

bool on_store(void *state, const struct sw_wire_value *value, const uint8_t *key, size_t key_bytes)
{
    struct told *told = state;
    Symwave__V1__StoreSymbol *symbol = malloc(sizeof(*symbol));

    symwave__v1__store_symbol__init(symbol);
    assert_true(key_bytes == 0 ? key == NULL : key != NULL);
    symbol->key = data_of(key, key_bytes < SW_KEY_BYTES ? key_bytes : SW_KEY_BYTES);
    symbol->value = data_of_value(value);
    told->request.symbols = realloc(told->request.symbols, (told->request.n_symbols + 1) * sizeof(void *));
    told->request.symbols[told->request.n_symbols++] = symbol;
    return goes_on(told);
}

const struct sw_wire_response_handler all_handlers = {.symbol = on_symbol,
                                                      .missing = on_missing,
                                                      .left_out = on_left_out,
                                                      .corrupt = on_corrupt,
                                                      .left_out_bytes = on_left_out_bytes,
                                                      .held = on_held};

void told_init(struct told *told)
{
    memset(told, 0, sizeof(*told));
    symwave__v1__retrieve_batch_response__init(&told->response);
    symwave__v1__store_batch_request__init(&told->request);
}

static void free_keys(ProtobufCBinaryData *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(keys[i].data);
    free(keys);
}

void response_clear(Response *response)
{
    for (size_t i = 0; i < response->n_symbols; i++) {
        free(response->symbols[i]->key.data);
        free(response->symbols[i]->value.data);
        free(response->symbols[i]);
    }
    free(response->symbols);
    free_keys(response->missing, response->n_missing);
    free_keys(response->left_out, response->n_left_out);
    free_keys(response->corrupt, response->n_corrupt);
    free_keys(response->held, response->n_held);
}

void request_clear(StoreRequest *request)
{
    for (size_t i = 0; i < request->n_symbols; i++) {
        free(request->symbols[i]->key.data);
        free(request->symbols[i]->value.data);
        free(request->symbols[i]);
    }
    free(request->symbols);
}

void told_clear(struct told *told)
{
    response_clear(&told->response);
    request_clear(&told->request);
}

uint8_t *pack_response(const Response *response, size_t *count)
{
    *count = symwave__v1__retrieve_batch_response__get_packed_size(response);
    uint8_t *bytes = malloc(*count + 1);
    assert_int_equal(symwave__v1__retrieve_batch_response__pack(response, bytes), *count);
    return bytes;
}

uint8_t *pack_request(const StoreRequest *request, size_t *count)
{
    *count = symwave__v1__store_batch_request__get_packed_size(request);
    uint8_t *bytes = malloc(*count + 1);
    assert_int_equal(symwave__v1__store_batch_request__pack(request, bytes), *count);
    return bytes;
}
