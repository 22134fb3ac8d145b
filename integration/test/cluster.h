/*
 * A cluster of real symwaved processes on loopback for tests, with real data folders; and values to store in it.
 *
 * A failure to do what a test asks for ends the program: a test goes on from a working cluster or not at all.
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include "symwave/symwave.h"
#include <stdint.h>
#include <sys/types.h>

#define CLUSTER_NODES_MAX     64
#define CLUSTER_ARGUMENTS_MAX 16

/* Bytes of a value: 60 KiB, or less where the thread sanitizer watches every byte being hashed. */
#if defined(__SANITIZE_THREAD__)
#define VALUE_BYTES 4096
#else
#define VALUE_BYTES 61440
#endif

struct cluster_node {
    char id[32];
    char address[64];
    char data[256];
    char log[256];
    pid_t pid; /* 0: not running */
};

struct cluster {
    char folder[128];
    uint32_t count;
    struct cluster_node nodes[CLUSTER_NODES_MAX];
};

/*
 * Starts count nodes, "node-0000" and so on, and waits until each serves. They end with this process, however it ends.
 */
struct cluster *cluster_start(uint32_t count);
/* The same with more arguments for symwaved, up to CLUSTER_ARGUMENTS_MAX and then NULL; the same for every node. */
struct cluster *cluster_start_with(uint32_t count, const char *const *arguments);
/* Ends all nodes, checks that those that still run exit with 0 on SIGTERM, and removes their folders. */
void cluster_stop(struct cluster *cluster);

/* Sends a signal to a node; with SIGKILL it is waited for and counts as not running. */
void cluster_signal(struct cluster *cluster, uint32_t node, int signal);
/* Starts a node that is not running again, on its data and its address, with no more arguments than a node needs. */
void cluster_restart(struct cluster *cluster, uint32_t node);
/* The same with more arguments, as for cluster_start_with: those of an earlier start are not kept. */
void cluster_restart_with(struct cluster *cluster, uint32_t node, const char *const *arguments);
/* A node's memory in KiB: "VmRSS" or "VmHWM". */
long cluster_memory_kib(const struct cluster *cluster, uint32_t node, const char *field);

/* Where a test may put a file of a name: a folder of the cluster's, gone with it. The last four stay valid. */
const char *cluster_path(const struct cluster *cluster, const char *name);

/* The list of all nodes, for the caller to free. */
struct sw_node_list *cluster_list(const struct cluster *cluster);
/* A client on all nodes. options may be NULL. */
struct sw_client *cluster_client(const struct cluster *cluster, const struct sw_client_options *options);

/*
 * Runs something in a child; false where it ends otherwise than with 0. A client's threads do not survive a fork:
 * whoever calls this must never have had one.
 */
bool cluster_in_child(void (*run)(void));

/* ---- values ---- */

/* Fills bytes that depend on the index alone, and differ between indexes. */
void value_fill(uint8_t *bytes, size_t count, uint64_t index);

/* Stores count values of value_bytes each, checks that all replicas are placed, and returns their keys to free. */
struct sw_key *values_store(struct sw_client *client, uint64_t count, size_t value_bytes);

/* A sink that checks that each symbol is what values_store stored, once each. */
struct value_sink {
    uint64_t count;
    size_t value_bytes;
    uint8_t *seen;                         /* one a key */
    uint64_t received;                     /* symbols */
    uint64_t wrong;                        /* symbols that differ or came twice */
    void (*each)(struct value_sink *sink); /* called after each symbol; may be NULL */
    void *each_data;
};
void value_sink_init(struct value_sink *sink, uint64_t count, size_t value_bytes);
void value_sink_clear(struct value_sink *sink);
struct sw_sink value_sink_as_sink(struct value_sink *sink);

#endif
