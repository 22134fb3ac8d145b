/* BatchGetValues: the values of a list of keys in one message, or a status that says what to do instead. */
#include "server/messages.h"
#include "server/unary.h"
#include <stdio.h>
#include <stdlib.h>

static void *start(struct sw_rpc_server_call *call, void *user)
{
    struct sw_service *service = user;
    return sw_unary_start(call, service, service->message_bytes_max);
}

/* Adds one key's value to the answer. */
static enum sw_status add_value(struct sw_unary *self, const struct sw_key *key, size_t index,
                                struct sw_rpc_message *answer, struct sw_error *error)
{
    struct sw_service *service = self->service;
    struct sw_store_value value;
    struct sw_error store_error = {0};
    const struct sw_store_reader reader = sw_service_reader(self->call);
    enum sw_status status = service->store->get(service->store, key, &reader, &value, &store_error);
    if (status == SW_CANCELLED)
        return sw_error_set(error, SW_CANCELLED, "the caller is gone");
    if (status == SW_OK && value.bytes && !sw_service_is_whole(key, &value)) {
        value.release(value.release_data);
        sw_service_set_aside(service, key);
        status = sw_error_set(&store_error, SW_DATA_LOSS, "its bytes do not hash to its key");
    }
    if (status == SW_DATA_LOSS)
        sw_metrics_add(service->metrics, SW_METRIC_SYMBOLS_CORRUPT, 1);
    if (status != SW_OK) {
        char text[SW_KEY_BASE58_SIZE], quoted[SW_ERROR_MESSAGE_SIZE];
        sw_key_to_base58(key, text);
        sw_log(service->logger, SW_LOG_ERROR, "cannot read a symbol", "key=%s error=%s", text,
               sw_log_quote(store_error.message, quoted, sizeof(quoted)));
        return sw_error_set(error, status == SW_DATA_LOSS ? SW_DATA_LOSS : SW_INTERNAL,
                            "keys[%zu]: the node cannot read the value of %s: %s", index, text, sw_status_name(status));
    }
    uint64_t message_bytes_max = service->message_bytes_max;
    if (sw_rpc_message_bytes(answer) + sw_message_value_bytes(value.bytes_count) > message_bytes_max) {
        if (value.bytes)
            value.release(value.release_data);
        return sw_error_set(error, SW_RESOURCE_EXHAUSTED,
                            "keys[%zu]: the values up to here pass %llu bytes (limits.message_bytes_max); ask for "
                            "fewer keys, or use RetrieveBatch",
                            index, (unsigned long long)message_bytes_max);
    }
    if (value.bytes) {
        sw_metrics_add(service->metrics, SW_METRIC_SYMBOLS_SENT, 1);
        sw_metrics_add(service->metrics, SW_METRIC_SYMBOL_BYTES_SENT, value.bytes_count);
    } else {
        sw_metrics_add(service->metrics, SW_METRIC_KEYS_MISSING, 1);
    }
    sw_message_add_value(answer, key, value.bytes, value.bytes_count, value.release, value.release_data);
    return SW_OK;
}

static enum sw_status make_answer(struct sw_unary *self, struct sw_rpc_message *answer, struct sw_error *error)
{
    const uint8_t *bytes = sw_rpc_message_flatten(self->request);
    size_t bytes_count = sw_rpc_message_bytes(self->request);
    if (!bytes && bytes_count > 0)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for the request");
    struct sw_key_request request;
    enum sw_status status =
        sw_key_request_read(bytes, bytes_count, sw_service_limits(self->service).keys_max, &request, error);
    sw_rpc_message_free(self->request);
    self->request = NULL;
    for (size_t i = 0; status == SW_OK && i < request.count; i++) {
        if (sw_rpc_server_is_cancelled(self->call))
            status = sw_error_set(error, SW_CANCELLED, "the caller is gone");
        else
            status = add_value(self, &request.keys[i], i, answer, error);
    }
    free(request.keys);
    return status;
}

static void run(struct sw_task *task)
{
    struct sw_unary *self = (struct sw_unary *)task;
    struct sw_error error = {0};
    struct sw_rpc_message *answer = sw_rpc_message_new();
    enum sw_status status =
        answer ? make_answer(self, answer, &error) : sw_error_set(&error, SW_NO_MEMORY, "no memory for an answer");
    sw_service_finish(self->call, answer, status, &error);
}

static void message(void *state, struct sw_rpc_message *request)
{
    struct sw_unary *self = state;
    sw_unary_submit(self, request, self->service->pool, run);
}

const struct sw_rpc_server_handler sw_batch_get_values_handler = {
    .start = start, .message = message, .end = sw_unary_end};
