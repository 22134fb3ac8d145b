/* The wave engine's first part: the caller's local store is asked, batch by batch, before the network. */
#include "client/core/wave_internal.h"
#include <assert.h>
#include <string.h>

static void ask_next(struct sw_wave_engine *engine)
{
    uint32_t left = engine->key_count - engine->local_next, most = engine->options.local_keys_max;

    engine->local_count = left < most ? left : most;
    if (engine->local_count == 0 || sw_wave_need(engine) == 0) {
        engine->local_count = 0;
        engine->local_next = engine->key_count;
        sw_wave_local_through(engine);
        return;
    }
    struct sw_wave_action *action = sw_wave_act(engine, SW_WAVE_ASK_LOCAL);
    action->first_key = engine->local_next;
    action->key_count = engine->local_count;
}

void sw_wave_local_start(struct sw_wave_engine *engine)
{
    engine->phase = WAVE_LOCAL;
    ask_next(engine);
}

void sw_wave_local_done(struct sw_wave_engine *engine)
{
    assert(engine->local_count > 0);
    engine->local_next += engine->local_count;
    ask_next(engine);
}

void sw_wave_local_through(struct sw_wave_engine *engine)
{
    if (engine->local_next == engine->key_count && engine->counts[WAVE_KEY_DELIVERING] == 0)
        engine->phase = WAVE_NETWORK;
}

void sw_wave_local_symbol(struct sw_wave_engine *engine, const struct sw_wave_event *event)
{
    assert(event->key_index < engine->key_count);
    struct wave_key *key = &engine->states[event->key_index];
    const struct sw_key *wanted = &engine->keys[event->key_index];

    if (engine->phase != WAVE_LOCAL || sw_wave_need(engine) == 0) {
        sw_wave_drop(engine, event, SW_WAVE_DROP_LATE);
    } else if (event->key_index - engine->local_next >= engine->local_count) {
        sw_wave_drop(engine, event, SW_WAVE_DROP_UNASKED);
    } else if (key->state != WAVE_KEY_FRESH) {
        sw_wave_drop(engine, event, SW_WAVE_DROP_DUPLICATE);
    } else if (memcmp(&event->digest, wanted, sizeof(*wanted)) != 0 || event->bytes > engine->options.value_bytes_max) {
        sw_wave_drop(engine, event, SW_WAVE_DROP_CORRUPT);
    } else {
        key->bytes = (uint32_t)event->bytes;
        key->flags |= WAVE_KEY_LOCAL;
        sw_wave_key_move(engine, event->key_index, WAVE_KEY_DELIVERING);
        if (event->bytes > engine->symbol_bytes)
            engine->symbol_bytes = event->bytes;
        struct sw_wave_action *action = sw_wave_act(engine, SW_WAVE_DELIVER);
        action->key_index = event->key_index;
    }
}
