/*
 * The wave engine's window: the keys that wait or are asked, each with its candidates, and for each node a list of the
 * keys that it is a candidate for and was not asked for: what an idle node looks through for something to do.
 */
#include "client/core/wave_internal.h"
#include "common/memory.h"
#include <assert.h>

bool sw_wave_window_init(struct sw_wave_engine *engine)
{
    struct wave_window *window = &engine->window;
    uint32_t k = engine->candidates ? engine->candidates : 1, nodes = sw_route_table_count(engine->table);

    window->size =
        engine->options.window_keys_max < engine->key_count ? engine->options.window_keys_max : engine->key_count;
    window->slots = sw_calloc(window->size, sizeof(*window->slots));
    window->nodes = sw_calloc((size_t)window->size * k, sizeof(*window->nodes));
    window->links = sw_calloc((size_t)window->size * k, sizeof(*window->links));
    if (nodes <= SW_WAVE_COUNTED_NODES_MAX) {
        window->waiting = sw_calloc((size_t)nodes * SW_WAVE_COUNTED_NODES_MAX + 1, sizeof(*window->waiting));
        window->owners_of = sw_calloc((size_t)nodes * SW_WAVE_SET_WORDS + 1, sizeof(*window->owners_of));
        if (!window->waiting || !window->owners_of)
            return false;
    }
    if (!window->slots || !window->nodes || !window->links)
        return false;
    for (uint32_t slot = 0; slot < window->size; slot++) {
        window->slots[slot].key = slot + 1 < window->size ? slot + 1 : SW_WAVE_NONE;
        window->slots[slot].owner = SW_WAVE_NONE;
    }
    window->free_first = 0;
    return true;
}

void sw_wave_window_clear(struct sw_wave_engine *engine)
{
    sw_free(engine->window.slots);
    sw_free(engine->window.nodes);
    sw_free(engine->window.links);
    sw_free(engine->window.waiting);
    sw_free(engine->window.owners_of);
}

/* Takes note of how many more keys of an owner's queue the node of a link may be asked for. */
static void count_owner(struct sw_wave_engine *engine, uint32_t at, uint32_t owner, uint32_t change)
{
    const struct wave_window *window = &engine->window;
    size_t node = window->nodes[at];

    if (!window->waiting)
        return;
    uint32_t *waiting = &window->waiting[node * SW_WAVE_COUNTED_NODES_MAX + owner];
    uint64_t *owners = &window->owners_of[node * SW_WAVE_SET_WORDS + owner / 64], bit = UINT64_C(1) << owner % 64;
    *waiting += change;
    *owners = *waiting > 0 ? *owners | bit : *owners & ~bit;
}

/* The link is the last of the near ones now. */
static void come_near(struct sw_wave_engine *engine, struct wave_node *node, uint32_t slot, uint32_t wave)
{
    struct wave_window *window = &engine->window;
    uint32_t at = slot * engine->candidates + wave;

    window->slots[slot].near |= (uint16_t)(1u << wave);
    node->near_last = at;
    node->near_count++;
    if (window->slots[slot].owner != SW_WAVE_NONE)
        count_owner(engine, at, window->slots[slot].owner, 1);
}

static void link_append(struct sw_wave_engine *engine, uint32_t slot, uint32_t wave)
{
    struct wave_window *window = &engine->window;
    uint32_t at = slot * engine->candidates + wave;
    struct wave_node *node = &engine->nodes[window->nodes[at]];

    assert(window->slots[slot].owner == SW_WAVE_NONE);
    window->slots[slot].linked |= (uint16_t)(1u << wave);
    window->links[at] = (struct wave_link){.previous = node->last_link, .next = SW_WAVE_NONE};
    if (node->last_link != SW_WAVE_NONE)
        window->links[node->last_link].next = at;
    else
        node->first_link = at;
    node->last_link = at;
    if (node->near_count < SW_WAVE_STEAL_LOOKS)
        come_near(engine, node, slot, wave);
}

static void link_remove(struct sw_wave_engine *engine, uint32_t slot, uint32_t wave)
{
    struct wave_window *window = &engine->window;
    uint32_t at = slot * engine->candidates + wave;
    struct wave_node *node = &engine->nodes[window->nodes[at]];
    struct wave_link link = window->links[at];

    if (!(window->slots[slot].linked & 1u << wave))
        return;
    assert(window->slots[slot].owner == SW_WAVE_NONE);
    window->slots[slot].linked &= (uint16_t) ~(1u << wave);
    if (window->slots[slot].near & 1u << wave) {
        uint32_t next = window->links[node->near_last].next;
        window->slots[slot].near &= (uint16_t) ~(1u << wave);
        node->near_count--;
        if (next != SW_WAVE_NONE)
            come_near(engine, node, next / engine->candidates, next % engine->candidates);
        else if (node->near_last == at)
            node->near_last = link.previous;
    }
    if (link.previous != SW_WAVE_NONE)
        window->links[link.previous].next = link.next;
    else
        node->first_link = link.next;
    if (link.next != SW_WAVE_NONE)
        window->links[link.next].previous = link.previous;
    else
        node->last_link = link.previous;
}

/* Finds the bases of a key and of those after it, which will want theirs soon. */
static void find_bases(struct sw_wave_engine *engine, uint32_t key_index)
{
    uint32_t bases[SW_ROUTE_BASES], k = engine->candidates;

    if (engine->key_count - key_index < SW_ROUTE_BASES) {
        engine->states[key_index].base = (uint8_t)sw_route_base(&engine->keys[key_index], engine->task, k);
        engine->based_next = key_index + 1;
        return;
    }
    sw_route_bases(&engine->keys[key_index], engine->task, k, bases);
    for (uint32_t i = 0; i < SW_ROUTE_BASES; i++)
        engine->states[key_index + i].base = (uint8_t)bases[i];
    engine->based_next = key_index + SW_ROUTE_BASES;
}

bool sw_wave_window_enter(struct sw_wave_engine *engine, uint32_t key_index)
{
    struct wave_window *window = &engine->window;
    struct wave_key *key = &engine->states[key_index];
    uint32_t nodes[SW_ROUTE_CANDIDATES_MAX], k = engine->candidates, slot = window->free_first;

    assert(key->state == WAVE_KEY_FRESH && slot != SW_WAVE_NONE);
    if (k == 0)
        return false;
    sw_route_nearest(engine->table, &engine->keys[key_index], k, nodes);
    if (key_index >= engine->based_next)
        find_bases(engine, key_index);
    key->slot = slot;
    window->free_first = window->slots[slot].key;
    window->slots[slot].key = key_index;
    for (uint32_t wave = 0, turn = key->base; wave < k; wave++) {
        window->nodes[slot * k + wave] = nodes[turn];
        turn = turn + 1 < k ? turn + 1 : 0;
        link_append(engine, slot, wave);
    }
    return true;
}

void sw_wave_window_leave(struct sw_wave_engine *engine, uint32_t key_index)
{
    struct wave_window *window = &engine->window;
    uint32_t slot = engine->states[key_index].slot;

    assert(window->slots[slot].key == key_index);
    for (uint32_t wave = 0; wave < engine->candidates; wave++)
        link_remove(engine, slot, wave);
    window->slots[slot].key = window->free_first;
    window->free_first = slot;
}

const uint32_t *sw_wave_window_nodes(const struct sw_wave_engine *engine, uint32_t key_index)
{
    return &engine->window.nodes[engine->states[key_index].slot * engine->candidates];
}

static void count_waiting(struct sw_wave_engine *engine, uint32_t key_index, uint32_t change)
{
    const struct wave_key *key = &engine->states[key_index];

    for (uint32_t left = engine->window.slots[key->slot].near; left > 0; left &= left - 1)
        count_owner(engine, key->slot * engine->candidates + (uint32_t)__builtin_ctz(left), key->node, change);
}

void sw_wave_window_waits(struct sw_wave_engine *engine, uint32_t key_index)
{
    const struct wave_key *key = &engine->states[key_index];

    engine->window.slots[key->slot].owner = key->node;
    count_waiting(engine, key_index, 1);
}

void sw_wave_window_waits_no_more(struct sw_wave_engine *engine, uint32_t key_index)
{
    const struct wave_key *key = &engine->states[key_index];

    engine->window.slots[key->slot].owner = SW_WAVE_NONE;
    count_waiting(engine, key_index, UINT32_MAX);
}

void sw_wave_window_asked(struct sw_wave_engine *engine, uint32_t key_index, uint32_t wave)
{
    engine->states[key_index].asked |= (uint16_t)(1u << wave);
    link_remove(engine, engine->states[key_index].slot, wave);
}

void sw_wave_window_unasked(struct sw_wave_engine *engine, uint32_t key_index, uint32_t wave)
{
    engine->states[key_index].asked &= (uint16_t) ~(1u << wave);
    link_append(engine, engine->states[key_index].slot, wave);
}
