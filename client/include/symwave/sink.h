/*
 * Sinks: where retrieved symbols go; and local stores: where they may be already.
 */
#ifndef SYMWAVE_SINK_H
#define SYMWAVE_SINK_H

#include "symwave/key.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One symbol as a sink sees it: its bytes hash to its key. All pointers are valid during the call only. */
struct sw_symbol {
    const struct sw_key *key;
    size_t key_index; /* the key's place in the list that the caller passed (of equal keys, the first) */
    const void *value;
    size_t value_bytes;
    const char *node_id; /* who sent it; NULL where it came from the local store */
};

/*
 * Takes a symbol. Returns SW_OK when the symbol is in its place, so that it may be counted; anything else ends the
 * retrieval with that status and the error's message. Called on the thread that called the retrieval. May block: this
 * retrieval then waits, and no other; memory does not grow.
 */
typedef enum sw_status (*sw_sink_fn)(const struct sw_symbol *symbol, struct sw_error *error, void *user_data);

struct sw_sink {
    sw_sink_fn take;
    void *user_data;
};

/*
 * A local store: asked for every key, in batches, before the network is. What it returns is hashed like anything else.
 */
struct sw_local_store {
    /*
     * Calls found(i, value, value_bytes, found_data) for each keys[i] that the store holds, in any order, on the
     * calling thread; value need live only until found returns. Stops early, with SW_OK, when found returns false. A
     * key it lacks is simply not reported. Any status but SW_OK is logged, and the network asked for the rest. May
     * block.
     */
    enum sw_status (*get_batch)(const struct sw_key *keys, size_t key_count,
                                bool (*found)(size_t index, const void *value, size_t value_bytes, void *found_data),
                                void *found_data, struct sw_error *error, void *user_data);
    void *user_data;
};

/*
 * A node beside the program as a local store: a symwaved of this machine, by the socket admin.sock in its data folder,
 * which only the node's user may open, or on loopback, where its role "read" must be open. It is asked by
 * RetrieveBatch, for no more than 8 MiB at a time, which are in memory besides the client's budget. May serve several
 * retrievals at once.
 */
struct sw_node_store;

/* 0 means the default. Set size as with sw_client_options. */
struct sw_node_store_options {
    size_t size;
    uint32_t keys_max; /* in one request; default 5,000, which is a node's own limit where nothing was set */
    /* Without an answer, or ten times as long without a value, it is given up and the network asked; default 2,000. */
    uint32_t stall_timeout_ms;
    uint64_t value_bytes_max; /* of the largest symbol; default 1 MiB, at most 64 MiB */
};

#define SW_NODE_STORE_OPTIONS_INIT                                                                                     \
    {                                                                                                                  \
        .size = sizeof(struct sw_node_store_options)                                                                   \
    }

/*
 * Opens one at "unix:PATH", of up to 107 bytes, or a loopback address; options may be NULL. Connects when it is asked
 * first: a node that is not there is a store that fails, and retrievals go on without it, which only the log and
 * found_local 0 tell. The caller closes it after the last retrieval that uses it. SW_INVALID_ARGUMENT (an option out of
 * bounds, an address of another machine), SW_NO_MEMORY, SW_IO_ERROR (no thread).
 */
SW_PUBLIC enum sw_status sw_node_store_open(const char *address, const struct sw_node_store_options *options,
                                            struct sw_node_store **store, struct sw_error *error);
SW_PUBLIC void sw_node_store_close(struct sw_node_store *store); /* NULL is allowed */
/* It as a local store, which borrows it. */
SW_PUBLIC struct sw_local_store sw_node_store_as_local_store(struct sw_node_store *store);

/*
 * A folder with one file a symbol, named by the base58 key. As a sink it writes each symbol to a nameless or temporary
 * file first and links it to its name when it is whole, so no reader ever sees half a symbol; as a local store it gives
 * back what the folder has. The two may be used in one retrieval: what is there already is then neither fetched nor
 * written again, and a file whose bytes do not hash to its name is replaced. It may serve several retrievals at once.
 *
 * A symbol that was taken survives the end of the process, however sudden. It is not synced to disk one by one, so the
 * last few may be lost or torn when the whole machine goes down; a torn file no longer hashes to its name, and the next
 * retrieval into the folder replaces it.
 */
struct sw_dir_sink;

/*
 * Opens a folder, which is made if it does not exist (its parent must). Fails at once where it cannot be written:
 * SW_NOT_FOUND, SW_IO_ERROR, SW_NO_SPACE, SW_NO_MEMORY. The caller closes it after the last retrieval that uses it.
 */
SW_PUBLIC enum sw_status sw_dir_sink_open(const char *path, struct sw_dir_sink **sink, struct sw_error *error);
SW_PUBLIC void sw_dir_sink_close(struct sw_dir_sink *sink); /* NULL is allowed */

/* The folder as a sink and as a local store; both borrow it. */
SW_PUBLIC struct sw_sink sw_dir_sink_as_sink(struct sw_dir_sink *sink);
SW_PUBLIC struct sw_local_store sw_dir_sink_as_local_store(struct sw_dir_sink *sink);

#ifdef __cplusplus
}
#endif

#endif
