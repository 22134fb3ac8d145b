/*
 * Reports as JSON. Member for member what symwave/report.h and symwave/file.h have, in its order; a status is its name,
 * a key its base58.
 */
#include "common/memory.h"
#include "common/utf8.h"
#include "symwave/file.h"
#include <jansson.h>
#include <string.h>

/* An object that is being filled; failed once memory is out, so that only the end has to be checked. */
struct object {
    json_t *json;
    bool failed;
};

static struct object object_new(void)
{
    struct object object = {.json = json_object()};
    object.failed = !object.json;
    return object;
}

static void add(struct object *object, const char *name, json_t *value)
{
    if (json_object_set_new(object->json, name, value) != 0)
        object->failed = true;
}

static void add_number(struct object *object, const char *name, uint64_t value)
{
    add(object, name, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

/* A peer's words may be any bytes; JSON is UTF-8. */
static void add_text(struct object *object, const char *name, const char *text)
{
    char clean[SW_ERROR_MESSAGE_SIZE];
    size_t bytes = strnlen(text, sizeof(clean));
    uint32_t code_point;
    size_t length;

    for (size_t i = 0; i < bytes; i += length) {
        length = sw_utf8_next(text + i, bytes - i, &code_point);
        if (length == 0) {
            clean[i] = '?';
            length = 1;
        } else {
            memcpy(clean + i, text + i, length);
        }
    }
    add(object, name, json_stringn(clean, bytes));
}

static json_t *nodes_to_json(const struct sw_report_node *const *nodes, uint64_t count)
{
    json_t *array = json_array();

    for (uint64_t i = 0; array && i < count; i++) {
        const struct sw_report_node *node = nodes[i];
        struct object object = object_new();
        add_text(&object, "id", node->id);
        add_text(&object, "address", node->address);
        add_number(&object, "requests", node->requests);
        add_number(&object, "requests_failed", node->requests_failed);
        add_number(&object, "keys_asked", node->keys_asked);
        add_number(&object, "found", node->found);
        add_number(&object, "missing", node->missing);
        add_number(&object, "corrupt", node->corrupt);
        add_number(&object, "bytes", node->bytes);
        add_text(&object, "last_error", node->last_error);
        add_number(&object, "tail_symbols", node->tail_symbols);
        add_number(&object, "tail_wait_us", node->tail_wait_us);
        add_number(&object, "rate_bytes_per_second", node->rate_bytes_per_second);
        add_number(&object, "first_symbol_us", node->first_symbol_us);
        if (json_array_append_new(array, object.json) != 0 || object.failed) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *waves_to_json(const struct sw_report_wave *const *waves, uint32_t count)
{
    json_t *array = json_array();

    for (uint32_t i = 0; array && i < count && i < SW_WAVES_MAX; i++) {
        struct object object = object_new();
        add_number(&object, "keys_asked", waves[i]->keys_asked);
        add_number(&object, "found", waves[i]->found);
        add_number(&object, "missing", waves[i]->missing);
        add_number(&object, "failed", waves[i]->failed);
        add_number(&object, "corrupt", waves[i]->corrupt);
        add_number(&object, "tail_symbols", waves[i]->tail_symbols);
        add_number(&object, "tail_wait_us", waves[i]->tail_wait_us);
        if (json_array_append_new(array, object.json) != 0 || object.failed) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *keys_to_json(const struct sw_key *keys, uint64_t count)
{
    json_t *array = json_array();
    char text[SW_KEY_BASE58_SIZE];

    for (uint64_t i = 0; array && i < count; i++) {
        sw_key_to_base58(&keys[i], text);
        if (json_array_append_new(array, json_string(text)) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static void add_key(struct object *object, const char *name, const struct sw_key *key)
{
    char text[SW_KEY_BASE58_SIZE];

    sw_key_to_base58(key, text);
    add_text(object, name, text);
}

static json_t *proofs_to_json(const struct sw_corrupt_proof *const *proofs, uint64_t count)
{
    json_t *array = json_array();

    for (uint64_t i = 0; array && i < count; i++) {
        struct object object = object_new();
        add_text(&object, "node_id", proofs[i]->node_id);
        add_text(&object, "address", proofs[i]->address);
        add_key(&object, "key", &proofs[i]->key);
        add_key(&object, "digest", &proofs[i]->digest);
        add_number(&object, "bytes", proofs[i]->bytes);
        if (json_array_append_new(array, object.json) != 0 || object.failed) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

/* The text in memory of malloc, whatever allocator the host may have given jansson. Takes the object. */
static char *object_to_text(struct object *object)
{
    char *text = NULL;

    if (!object->failed) {
        size_t bytes = json_dumpb(object->json, NULL, 0, JSON_COMPACT);
        text = bytes > 0 ? sw_malloc(bytes + 1) : NULL;
        if (text) {
            json_dumpb(object->json, text, bytes, JSON_COMPACT);
            text[bytes] = '\0';
        }
    }
    json_decref(object->json);
    return text;
}

/* Why it took as long and as much as it did. */
static void add_reasons(struct object *object, const struct sw_report *report)
{
    add_number(object, "proof_count", report->proof_count);
    add_number(object, "proof_sample_count", report->proof_sample_count);
    add(object, "proofs", proofs_to_json(report->proofs, report->proof_sample_count));
    add_number(object, "wasted_corrupt_bytes", report->wasted_corrupt_bytes);
    add_number(object, "wasted_unasked_bytes", report->wasted_unasked_bytes);
    add_number(object, "wasted_duplicate_bytes", report->wasted_duplicate_bytes);
    add_number(object, "wasted_late_bytes", report->wasted_late_bytes);
    add_number(object, "wasted_hedge_bytes", report->wasted_hedge_bytes);
    add_number(object, "hedges_sent", report->hedges_sent);
    add_number(object, "hedges_won", report->hedges_won);
    add_number(object, "hedges_lost", report->hedges_lost);
    add_number(object, "late_found", report->late_found);
    add_number(object, "leases_out", report->leases_out);
    add_number(object, "leases_lapsed", report->leases_lapsed);
    add_number(object, "tail_symbols", report->tail_symbols);
    add_number(object, "tail_us", report->tail_us);
}

static struct object report_object(const struct sw_report *report)
{
    struct object object = object_new();

    add_text(&object, "status", sw_status_name(report->status));
    add_number(&object, "keys", report->keys);
    add_number(&object, "keys_duplicate", report->keys_duplicate);
    add_number(&object, "required", report->required);
    add_number(&object, "found_local", report->found_local);
    add_number(&object, "found_network", report->found_network);
    add_number(&object, "missing", report->missing);
    add_number(&object, "requests", report->requests);
    add_number(&object, "requests_failed", report->requests_failed);
    add_number(&object, "bytes", report->bytes);
    add_number(&object, "bytes_received", report->bytes_received);
    add_number(&object, "bytes_wasted", report->bytes_wasted);
    add_number(&object, "symbols_wasted", report->symbols_wasted);
    add_number(&object, "budget_bytes", report->budget_bytes);
    add_number(&object, "budget_high_water_bytes", report->budget_high_water_bytes);
    add_number(&object, "first_symbol_us", report->first_symbol_us);
    add_number(&object, "elapsed_us", report->elapsed_us);
    add_number(&object, "wave_count", report->wave_count);
    add(&object, "waves", waves_to_json(report->waves, report->wave_count));
    add_number(&object, "node_count", report->node_count);
    add(&object, "nodes", nodes_to_json(report->nodes, report->node_count));
    add_number(&object, "missing_sample_count", report->missing_sample_count);
    add(&object, "missing_sample", keys_to_json(report->missing_sample, report->missing_sample_count));
    add_reasons(&object, report);
    return object;
}

static struct object store_report_object(const struct sw_store_report *report)
{
    struct object object = object_new();

    add_text(&object, "status", sw_status_name(report->status));
    add_number(&object, "symbols", report->symbols);
    add_number(&object, "bytes", report->bytes);
    add_number(&object, "replicas_wanted", report->replicas_wanted);
    add_number(&object, "replicas_placed", report->replicas_placed);
    add_number(&object, "replicas_present", report->replicas_present);
    add_number(&object, "replicas_refused", report->replicas_refused);
    add_number(&object, "replicas_failed", report->replicas_failed);
    add_number(&object, "symbols_without_replica", report->symbols_without_replica);
    add_number(&object, "requests", report->requests);
    add_number(&object, "bytes_sent", report->bytes_sent);
    add_number(&object, "budget_bytes", report->budget_bytes);
    add_number(&object, "budget_high_water_bytes", report->budget_high_water_bytes);
    add_number(&object, "elapsed_us", report->elapsed_us);
    add_number(&object, "node_count", report->node_count);
    add(&object, "nodes", nodes_to_json(report->nodes, report->node_count));
    add_text(&object, "first_failure", report->first_failure);
    return object;
}

/* Takes the part. */
static void add_object(struct object *object, const char *name, struct object part)
{
    object->failed |= part.failed;
    add(object, name, part.json);
}

char *sw_report_to_json(const struct sw_report *report)
{
    struct object object = report_object(report);

    return object_to_text(&object);
}

char *sw_store_report_to_json(const struct sw_store_report *report)
{
    struct object object = store_report_object(report);

    return object_to_text(&object);
}

char *sw_put_report_to_json(const struct sw_put_report *report)
{
    struct object object = object_new();

    add_text(&object, "status", sw_status_name(report->status));
    add_number(&object, "bytes", report->bytes);
    static const struct sw_key unknown;
    if (sw_key_compare(&report->hash, &unknown) == 0)
        add(&object, "hash", json_null());
    else
        add_key(&object, "hash", &report->hash);
    add_number(&object, "blocks", report->blocks);
    add_number(&object, "source_symbols", report->source_symbols);
    add_number(&object, "repair_symbols", report->repair_symbols);
    add_number(&object, "symbols_made", report->symbols_made);
    add_number(&object, "encode_us", report->encode_us);
    add_number(&object, "buffers_bytes", report->buffers_bytes);
    add_number(&object, "elapsed_us", report->elapsed_us);
    add_number(&object, "unplaced", report->unplaced);
    add_number(&object, "unplaced_sample_count", report->unplaced_sample_count);
    add(&object, "unplaced_sample", keys_to_json(report->unplaced_sample, report->unplaced_sample_count));
    if (report->store)
        add_object(&object, "store", store_report_object(report->store));
    return object_to_text(&object);
}

char *sw_get_report_to_json(const struct sw_get_report *report)
{
    struct object object = object_new();

    add_text(&object, "status", sw_status_name(report->status));
    add(&object, "already_there", json_boolean(report->already_there));
    add_number(&object, "bytes", report->bytes);
    add_number(&object, "source_symbols", report->source_symbols);
    add_number(&object, "kept", report->kept);
    add_number(&object, "taken", report->taken);
    add_number(&object, "decoded", report->decoded);
    add_number(&object, "missing", report->missing);
    add_number(&object, "bad", report->bad);
    add_number(&object, "dropped", report->dropped);
    add_number(&object, "fetch_us", report->fetch_us);
    add_number(&object, "decode_us", report->decode_us);
    add_number(&object, "check_us", report->check_us);
    add_number(&object, "buffers_bytes", report->buffers_bytes);
    add_number(&object, "elapsed_us", report->elapsed_us);
    if (report->retrieval)
        add_object(&object, "retrieval", report_object(report->retrieval));
    return object_to_text(&object);
}
