/*
 * The wave engine's answers: what a request's node says of its keys, and what that means for them and for the node.
 *
 * A key of a request is open until it is answered, here or by another node that was asked meanwhile. What else comes
 * (keys that were not asked, answers twice, more bytes than allowed) changes nothing but the node's standing.
 */
#include "client/core/wave_internal.h"
#include <string.h>

/* Where in the request a key is, SW_WAVE_NONE if nowhere; looked for from where the last of its kind was. */
static uint32_t find_key(const struct sw_wave_engine *engine, struct wave_request *request, const struct sw_key *key,
                         enum wave_cursor cursor)
{
    uint64_t prefix;
    uint32_t at = request->cursors[cursor];

    memcpy(&prefix, key->bytes, sizeof(prefix));
    for (uint32_t i = 0; i < request->key_count; i++) {
        uint32_t next = at + 1 < request->key_count ? at + 1 : 0;
        if (request->prefixes[at] == prefix && memcmp(&engine->keys[request->keys[at]], key, sizeof(*key)) == 0) {
            request->cursors[cursor] = next;
            return at;
        }
        at = next;
    }
    return SW_WAVE_NONE;
}

/* Something came that was not asked for, or came again. */
static void junk(struct sw_wave_engine *engine, struct wave_request *request, uint64_t bytes)
{
    request->junk_symbols++;
    request->junk_bytes += bytes;
    engine->health[request->node].corrupt++;
    engine->node_stats[request->node].corrupt++;
    sw_wave_node_strike(engine, request->node, 2); /* no innocent node does that */
    if (request->junk_symbols / 2 > request->key_count + SW_WAVE_JUNK_SYMBOLS_MAX ||
        request->junk_bytes / SW_WAVE_JUNK_BYTES_FACTOR >
            sw_wave_larger(request->max_bytes, engine->options.value_bytes_max)) {
        sw_wave_request_abort(engine, request, SW_PROTOCOL_ERROR);
        sw_wave_request_fail(engine, request, SW_PROTOCOL_ERROR);
    }
}

/* The key has come of another request: in all others it is beaten, and those that have no other key left are ended. */
static void beat_others(struct sw_wave_engine *engine, uint32_t index)
{
    const struct wave_key *key = &engine->states[index];

    for (uint32_t slot = 0; slot < engine->slots; slot++) {
        struct wave_request *request = &engine->requests[slot];
        if (!sw_wave_key_is_held(key))
            return;
        if (request->id == 0 || request->aborted)
            continue;
        for (uint32_t i = 0; i < request->key_count; i++) {
            if (request->keys[i] != index ||
                (request->entries[i] != WAVE_ENTRY_OPEN && request->entries[i] != WAVE_ENTRY_LEFT_OUT))
                continue;
            request->left_out -= request->entries[i] == WAVE_ENTRY_LEFT_OUT;
            sw_wave_entry_close(engine, request, i, WAVE_ENTRY_BEATEN);
            if (request->open == 0)
                sw_wave_request_abort(engine, request, SW_CANCELLED);
            sw_wave_node_refresh(engine, request->node);
            break;
        }
    }
}

static void remember_tail(struct sw_wave_engine *engine, const struct wave_request *request, uint32_t at,
                          uint64_t arrived_us)
{
    engine->tail[engine->tail_seen++ % engine->tail_size] =
        (struct sw_wave_tail_symbol){.key_index = request->keys[at],
                                     .node = request->node,
                                     .wave = request->waves[at],
                                     .hedge = request->hedge,
                                     .asked_us = request->sent_us,
                                     .arrived_us = arrived_us ? arrived_us : engine->now_us};
}

/* The key is answered, one way or the other. */
static void answered(struct sw_wave_engine *engine, struct wave_request *request, const struct sw_wave_event *event)
{
    sw_wave_rate_answer(engine, request, event->type == SW_WAVE_SYMBOL ? event->bytes : 0);
    request->answered++;
    request->last_us = engine->now_us;
    engine->forgave = false;
    sw_wave_node_alive(engine, request);
    sw_wave_lease_note(engine, request);
}

static void deliver(struct sw_wave_engine *engine, struct wave_request *request, uint32_t at,
                    const struct sw_wave_event *event)
{
    uint32_t index = request->keys[at];
    struct wave_key *key = &engine->states[index];
    struct wave_node *node = &engine->nodes[request->node];

    request->reserved_bytes -= event->bytes;
    engine->symbol_bytes = sw_wave_larger(engine->symbol_bytes, event->bytes);
    engine->stats.waves[request->waves[at]].found++;
    engine->node_stats[request->node].found++;
    engine->stats.hedges_won += request->hedge;
    engine->stats.late_found += request->lease != WAVE_LEASE_RUNNING;
    node->busy = 0;
    node->good++;
    sw_wave_health_judge(engine, request->node, 1, 0);
    remember_tail(engine, request, at, event->arrived_us);
    sw_wave_entry_close(engine, request, at, WAVE_ENTRY_ANSWERED);
    beat_others(engine, index);
    sw_wave_window_leave(engine, index);
    sw_wave_key_move(engine, index, WAVE_KEY_DELIVERING);
    key->bytes = (uint32_t)event->bytes;
    key->node = request->node;
    key->wave = request->waves[at];
    answered(engine, request, event);

    struct sw_wave_action *action = sw_wave_act(engine, SW_WAVE_DELIVER);
    action->request = request->id;
    action->node = request->node;
    action->key_index = index;
}

/* The key's bytes are bad at this node, as it says itself or as was seen. */
static void key_is_corrupt(struct sw_wave_engine *engine, struct wave_request *request, uint32_t at,
                           const struct sw_wave_event *event)
{
    engine->states[request->keys[at]].flags |= WAVE_KEY_VERIFY;
    engine->stats.waves[request->waves[at]].corrupt++;
    engine->node_stats[request->node].corrupt++;
    sw_wave_entry_fail(engine, request, at);
    answered(engine, request, event);
}

/* A symbol of a key that another node has given meanwhile. */
static void beaten(struct sw_wave_engine *engine, struct wave_request *request, uint32_t at,
                   const struct sw_wave_event *event)
{
    uint64_t bytes = sw_wave_smaller(event->bytes, request->reserved_bytes);

    sw_wave_drop(engine, event, SW_WAVE_DROP_HEDGE);
    request->entries[at] = WAVE_ENTRY_ANSWERED;
    request->beaten--;
    request->reserved_bytes -= bytes;
    engine->reserved_bytes -= bytes;
    sw_budget_release(engine->budget, bytes);
    answered(engine, request, event);
}

void sw_wave_request_symbol(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    struct wave_request *request = sw_wave_request_find(engine, event->request);

    engine->stats.bytes_received += event->bytes;
    if (request)
        engine->node_stats[request->node].bytes += event->bytes;
    if (!request || request->aborted) {
        bool lost = request && request->beaten > 0 && engine->phase != WAVE_DONE;
        sw_wave_drop(engine, event, lost ? SW_WAVE_DROP_HEDGE : SW_WAVE_DROP_LATE);
        return;
    }
    uint32_t at = find_key(engine, request, &event->key, WAVE_CURSOR_SYMBOL);
    if (at != SW_WAVE_NONE && request->entries[at] == WAVE_ENTRY_BEATEN) {
        beaten(engine, request, at, event);
    } else if (at == SW_WAVE_NONE || request->entries[at] != WAVE_ENTRY_OPEN) {
        sw_wave_drop(engine, event, at == SW_WAVE_NONE ? SW_WAVE_DROP_UNASKED : SW_WAVE_DROP_DUPLICATE);
        junk(engine, request, event->bytes);
    } else if (memcmp(&event->digest, &event->key, sizeof(event->key)) == 0 &&
               event->bytes <= engine->options.value_bytes_max && event->bytes <= request->reserved_bytes) {
        deliver(engine, request, at, event);
    } else {
        sw_wave_drop(engine, event, SW_WAVE_DROP_CORRUPT);
        engine->health[request->node].corrupt++;
        sw_wave_node_strike(engine, request->node, 1);
        key_is_corrupt(engine, request, at, event);
    }
}

void sw_wave_request_answer(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    static const enum wave_cursor cursors[] = {[SW_WAVE_MISSING] = WAVE_CURSOR_MISSING,
                                               [SW_WAVE_CORRUPT] = WAVE_CURSOR_CORRUPT,
                                               [SW_WAVE_LEFT_OUT] = WAVE_CURSOR_LEFT_OUT};
    struct wave_request *request = sw_wave_request_find(engine, event->request);

    if (!request || request->aborted)
        return;
    uint32_t at = find_key(engine, request, &event->key, cursors[event->type]);
    if (at != SW_WAVE_NONE && request->entries[at] == WAVE_ENTRY_BEATEN) {
        request->entries[at] = WAVE_ENTRY_ANSWERED;
        request->beaten--;
        answered(engine, request, event);
        return;
    }
    if (at == SW_WAVE_NONE || request->entries[at] != WAVE_ENTRY_OPEN) {
        junk(engine, request, 0);
        return;
    }
    if (event->type == SW_WAVE_MISSING) {
        engine->stats.waves[request->waves[at]].missing++;
        engine->node_stats[request->node].missing++;
        sw_wave_entry_fail(engine, request, at);
        answered(engine, request, event);
    } else if (event->type == SW_WAVE_CORRUPT || event->bytes > sw_wave_symbol_bytes_limit(engine)) {
        key_is_corrupt(engine, request, at, event);
    } else {
        request->last_us = engine->now_us;
        request->left_out++;
        request->left_out_bytes = sw_wave_larger(request->left_out_bytes, event->bytes);
        request->entries[at] = WAVE_ENTRY_LEFT_OUT;
        sw_wave_node_alive(engine, request);
    }
}
