/*
 * Stories for the wave engine: a test places keys at nodes, tells the engine what happens, and expects each of its
 * actions by name. Every event checks that all actions before it were expected, and looks at the engine's inside.
 */
#ifndef SW_TEST_STORY_H
#define SW_TEST_STORY_H

#include "client/core/wave.h"

#define STORY_NODES_MAX 16
#define STORY_KEYS_MAX  64
/* What every symbol weighs where a story does not say otherwise. */
#define STORY_SYMBOL_BYTES 1000

struct story {
    /* As in the SDK, with room for everything; a story changes them before story_start. */
    struct sw_wave_options options;
    struct sw_budget budget;

    uint32_t node_count, key_count, required;
    struct sw_key keys[STORY_KEYS_MAX];
    struct sw_wave_node_health health[STORY_NODES_MAX];
    struct sw_route_table *table;
    struct sw_wave_engine *engine;
    uint64_t now_us;
    struct sw_wave_actions actions;
    size_t expected; /* actions that the test has looked at */
};

/* A request as it was sent. */
struct story_request {
    sw_wave_request id;
    uint32_t node, key_count, keys[STORY_KEYS_MAX];
    uint64_t max_bytes;
    bool verify;
};

/* Key i's primary is node primaries[i]. */
struct story story_of(uint32_t node_count, const uint32_t *primaries, uint32_t key_count, uint32_t required);
/* As story_of with every key's primary node 0. */
struct story story_of_node_0(uint32_t node_count, uint32_t key_count, uint32_t required);
void story_start(struct story *story);
void story_end(struct story *story);

uint32_t story_provider(const struct story *story, uint32_t key, uint32_t wave);

/* The next action, which has to be of this type. */
struct sw_wave_action story_expect(struct story *story, enum sw_wave_action_type type);
struct story_request story_expect_send(struct story *story);
void story_expect_deliver(struct story *story, uint32_t key);
void story_expect_drop(struct story *story, enum sw_wave_drop reason);
void story_expect_done(struct story *story, enum sw_status status);
void story_expect_nothing(const struct story *story);

void story_event(struct story *story, struct sw_wave_event event);
void story_wait(struct story *story, uint64_t us);
void story_tick(struct story *story);
void story_symbol(struct story *story, sw_wave_request request, uint32_t key);
void story_symbol_of(struct story *story, sw_wave_request request, uint32_t key, uint64_t bytes);
void story_bad_symbol(struct story *story, sw_wave_request request, uint32_t key);
void story_missing(struct story *story, sw_wave_request request, uint32_t key);
void story_left_out(struct story *story, sw_wave_request request, uint32_t key, uint64_t bytes);
void story_ended(struct story *story, sw_wave_request request, enum sw_status status);
void story_activity(struct story *story, sw_wave_request request, bool held);
void story_taken(struct story *story, uint32_t key);
/* The symbol comes, is delivered, and taken. */
void story_deliver(struct story *story, sw_wave_request request, uint32_t key);

#endif
