/* DeleteBatch: takes symbols out of the store, durably. */
#include "server/messages.h"
#include "server/unary.h"
#include "symwave/v1/symbol_store.pb-c.h"
#include <stdlib.h>

static void *start(struct sw_rpc_server_call *call, void *user)
{
    struct sw_service *service = user;
    return sw_unary_start(call, service, service->message_bytes_max);
}

/* One result a key, in the order of the request. */
static struct sw_rpc_message *make_answer(const struct sw_key_request *request, const bool *held)
{
    Symwave__V1__DeleteBatchResponse response = SYMWAVE__V1__DELETE_BATCH_RESPONSE__INIT;
    struct sw_rpc_message *answer = NULL;
    uint8_t *packed = NULL;
    response.n_deleted = request->count;
    response.deleted = (protobuf_c_boolean *)calloc(request->count, sizeof(protobuf_c_boolean));
    for (size_t i = 0; response.deleted && i < request->count; i++)
        response.deleted[i] = held[i];
    if (response.deleted)
        packed = malloc(symwave__v1__delete_batch_response__get_packed_size(&response) + 1);
    if (packed)
        answer = sw_rpc_message_new();
    if (answer)
        sw_rpc_message_add_copy(answer, packed, symwave__v1__delete_batch_response__pack(&response, packed));
    free(packed);
    free(response.deleted);
    return answer;
}

static enum sw_status failed(const struct sw_unary *self, enum sw_status status, const struct sw_error *cause,
                             struct sw_error *error)
{
    char quoted[SW_ERROR_MESSAGE_SIZE];
    sw_log(self->service->logger, SW_LOG_ERROR, "cannot delete symbols", "error=%s",
           sw_log_quote(cause->message, quoted, sizeof(quoted)));
    return sw_error_set(error, SW_INTERNAL, "the node cannot delete symbols: %s", sw_status_name(status));
}

static enum sw_status delete_keys(struct sw_unary *self, const struct sw_key_request *request, bool *held,
                                  struct sw_error *error)
{
    struct sw_store *store = self->service->store;
    struct sw_error cause = {0};
    enum sw_status status = SW_OK;
    for (size_t i = 0; status == SW_OK && i < request->count; i++)
        status = store->contains(store, &request->keys[i], &held[i], &cause);
    if (status == SW_OK)
        status = store->delete_batch(store, request->keys, request->count, &cause);
    if (status == SW_OK)
        status = store->sync(store, &cause);
    return status == SW_OK ? SW_OK : failed(self, status, &cause, error);
}

static void run(struct sw_task *task)
{
    struct sw_unary *self = (struct sw_unary *)task;
    struct sw_key_request request = {0};
    struct sw_error error = {0};
    struct sw_rpc_message *answer = NULL;
    bool *held = NULL;
    const size_t bytes_count = sw_rpc_message_bytes(self->request);
    const uint8_t *bytes = sw_rpc_message_flatten(self->request);
    enum sw_status status =
        !bytes && bytes_count > 0
            ? sw_error_set(&error, SW_NO_MEMORY, "no memory for the request")
            : sw_key_request_read(bytes, bytes_count, sw_service_limits(self->service).keys_max, &request, &error);
    if (status == SW_OK) {
        held = calloc(request.count, sizeof(*held));
        status = held ? delete_keys(self, &request, held, &error) : SW_NO_MEMORY;
    }
    if (status == SW_OK)
        answer = make_answer(&request, held);
    if (status == SW_NO_MEMORY || (status == SW_OK && !answer))
        status = sw_error_set(&error, SW_NO_MEMORY, "no memory to delete symbols");
    free(held);
    free(request.keys);
    sw_service_finish(self->call, answer, status, &error);
}

static void message(void *state, struct sw_rpc_message *request)
{
    struct sw_unary *self = state;
    sw_unary_submit(self, request, self->service->pool, run);
}

const struct sw_rpc_server_handler sw_delete_batch_handler = {.start = start, .message = message, .end = sw_unary_end};
