/* Admin.ListSymbols: a page of the store, in the order of keys. */
#include "common/protobuf.h"
#include "common/wire.h"
#include "server/unary.h"
#include "symwave/v1/admin.pb-c.h"
#include <stdlib.h>
#include <string.h>

#define REQUEST_BYTES_MAX 64
/* A page ends with the symbol that brings it to this. With the largest of values it stays within any message-bytes-max.
 */
#define PAGE_BYTES ((size_t)192 << 10)

/* A page in the making. */
struct page {
    const struct sw_service *service;
    struct sw_rpc_message *answer;
    bool no_memory;
};

static void *start(struct sw_rpc_server_call *call, void *service)
{
    return sw_unary_start(call, service, SW_RETRIEVE_CALL_BYTES);
}

static bool add(const struct sw_key *key, const uint8_t *value, size_t value_bytes, void *user_data)
{
    struct page *page = user_data;
    const size_t bytes = sw_rpc_message_bytes(page->answer);
    if (bytes > 0 && bytes + value_bytes > page->service->message_bytes_max - 256)
        return false;
    uint8_t *copy = malloc(value_bytes + 1);
    if (!copy) {
        page->no_memory = true;
        return false;
    }
    memcpy(copy, value, value_bytes);
    sw_wire_add_symbol(page->answer, key, copy, value_bytes, free, copy);
    return sw_rpc_message_bytes(page->answer) < PAGE_BYTES;
}

static enum sw_status list(struct sw_unary *self, struct sw_rpc_message *answer, struct sw_error *error)
{
    struct sw_store *store = self->service->store;
    struct page page = {.service = self->service, .answer = answer};
    struct sw_key after;
    Symwave__V1__ListSymbolsRequest *request =
        sw_protobuf_unpack(&symwave__v1__list_symbols_request__descriptor, self->request, REQUEST_BYTES_MAX);
    if (!request)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the request is not a ListSymbolsRequest");
    const size_t after_bytes = request->after.len;
    if (after_bytes == SW_KEY_BYTES)
        memcpy(after.bytes, request->after.data, SW_KEY_BYTES);
    symwave__v1__list_symbols_request__free_unpacked(request, &sw_protobuf_allocator);
    if (after_bytes != 0 && after_bytes != SW_KEY_BYTES)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "after: a key is %d bytes, got %zu", SW_KEY_BYTES, after_bytes);
    enum sw_status status = store->scan(store, after_bytes ? &after : NULL, add, &page, error);
    if (status == SW_OK && page.no_memory)
        status = sw_error_set(error, SW_NO_MEMORY, "no memory for a symbol");
    return status;
}

static void run(struct sw_task *task)
{
    struct sw_unary *self = (struct sw_unary *)task;
    struct sw_error error = {0};
    struct sw_rpc_message *answer = sw_rpc_message_new();
    enum sw_status status =
        answer ? list(self, answer, &error) : sw_error_set(&error, SW_NO_MEMORY, "no memory for an answer");
    if (status != SW_OK) {
        sw_rpc_message_free(answer);
        answer = NULL;
    }
    sw_service_finish(self->call, answer, status, &error);
}

static void message(void *state, struct sw_rpc_message *request)
{
    struct sw_unary *self = state;
    sw_unary_submit(self, request, self->service->admin_pool, run);
}

const struct sw_rpc_server_handler sw_list_symbols_handler = {.start = start, .message = message, .end = sw_unary_end};
