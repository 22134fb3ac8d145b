/*
 * Files: cut into RaptorQ symbols and stored on nodes, retrieved from them and rebuilt; and the same with a folder of
 * symbols in place of nodes.
 *
 * All four functions block, call progress on the calling thread, and may be called from any thread, also at the same
 * time for different files. None holds the file in memory: beside the client's budget each has buffers of some 50 MiB
 * at most, whatever the size of the file; its report has the number. What does grow with the file is the list of keys:
 * a get needs the layout, and for the source block at work some 100 bytes a symbol more.
 */
#ifndef SYMWAVE_FILE_H
#define SYMWAVE_FILE_H

#include "symwave/client.h"
#include "symwave/layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What one job is told; 0 and NULL mean the default. Set size to sizeof(struct sw_file_options). */
struct sw_file_options {
    size_t size;
    const char *task_id;           /* of a retrieval: decides who is each key's primary; default "" */
    uint32_t deadline_ms;          /* for the whole job; default none */
    uint32_t progress_interval_ms; /* default 200 */
    struct sw_cancel *cancel;
    sw_progress_fn progress;
    void *progress_data;
    const struct sw_local_store *local; /* of a retrieval: asked before the nodes are; default none */
    /* Of sw_get_file, as sw_retrieve_options has them; a trace's times are from the start of the get. Default none. */
    sw_corrupt_fn corrupt;
    void *corrupt_data;
    sw_trace_fn trace;
    void *trace_data;
};

#define SW_FILE_OPTIONS_INIT                                                                                           \
    {                                                                                                                  \
        .size = sizeof(struct sw_file_options)                                                                         \
    }

#define SW_FILE_SAMPLE_MAX 16

/* What a put or an encode did. */
struct sw_put_report {
    enum sw_status status;
    uint64_t bytes;     /* of the file */
    struct sw_key hash; /* of the file, BLAKE3-256; zeros where it was not read to its end */
    uint32_t blocks;
    uint64_t source_symbols, repair_symbols; /* that the layout has */
    uint64_t symbols_made;                   /* of them, in this job */
    uint64_t encode_us;                      /* spent on reading the file and on making its blocks ready */
    uint64_t buffers_bytes;                  /* the most memory that its own buffers had, the client's budget aside */
    uint64_t elapsed_us;
    /* Symbols that are on no node: how many, and the first of them; of a put that was ended early, those under way too.
     */
    uint64_t unplaced;
    uint64_t unplaced_sample_count;
    struct sw_key unplaced_sample[SW_FILE_SAMPLE_MAX];
    const struct sw_store_report *store; /* NULL of an encode, and where nothing was sent */
};

/* What a get or a decode did. */
struct sw_get_report {
    enum sw_status status;
    bool already_there;      /* the output was the right file before; nothing was done */
    uint64_t bytes;          /* of the file */
    uint64_t source_symbols; /* of the layout */
    uint64_t kept;           /* symbols that an earlier, interrupted job had left in the workspace */
    uint64_t taken;          /* symbols that came in this job, from nodes, the local store or the folder */
    uint64_t decoded;        /* source symbols that did not come and were worked out */
    uint64_t missing;        /* symbols that would still be needed at least, of the block that it was at */
    uint64_t bad;            /* files in the folder that do not hash to their name or are too large, of a decode */
    uint64_t dropped;        /* symbols in the workspace that were found damaged and fetched again */
    uint64_t fetch_us, decode_us, check_us;
    uint64_t buffers_bytes; /* as above */
    uint64_t elapsed_us;
    /* NULL of a decode, and where neither a local store nor a node was asked; of several blocks, their sum. */
    const struct sw_report *retrieval;
};

/* Free reports; NULL is allowed. */
SW_PUBLIC void sw_put_report_free(struct sw_put_report *report);
SW_PUBLIC void sw_get_report_free(struct sw_get_report *report);
/* As JSON, as sw_report_to_json. */
SW_PUBLIC char *sw_put_report_to_json(const struct sw_put_report *report);
SW_PUBLIC char *sw_get_report_to_json(const struct sw_get_report *report);

/*
 * Puts a file on the nodes: makes its symbols, stores each on its K nearest nodes, and writes the layout once they are
 * there. The symbols are six times as many as the file has by itself, and each goes to six nodes (the client's
 * candidates), or to all where there are fewer: 20 MB on four nodes are 480 MB. The same file always gives the same
 * layout. A node is asked which symbols it holds before it is sent any, so that the same put again completes what is
 * missing and sends nothing twice. The file is read once, from its start to its end; what it is cut into is kept in a
 * nameless file beside the layout, as large as a source block (at most 3.7 GB). layout_path appears whole or not at
 * all; it is written to layout_path.part before.
 *
 * *report, where report is not NULL, is set on success and failure alike; it is NULL only without memory and with an
 * argument that is none (NULL, a folder of symbols that is not there).
 *
 * SW_OK: the layout is written, no symbol is without a node, and at least 75 % of the replicas are placed. SW_SHORT:
 * fewer; the report says which, and no layout is written. SW_INVALID_ARGUMENT: the file is empty, too large or no
 * regular file, it changed while it was read, the layout would replace it, layout_path.part is somebody else's, or
 * another put is at work on it. SW_NOT_FOUND, SW_IO_ERROR, SW_NO_SPACE, SW_NO_MEMORY, SW_UNAVAILABLE (no node takes
 * anything), SW_CANCELLED, SW_DEADLINE_EXCEEDED.
 */
SW_PUBLIC enum sw_status sw_put_file(struct sw_client *client, const char *path, const char *layout_path,
                                     const struct sw_file_options *options, struct sw_put_report **report,
                                     struct sw_error *error);

/*
 * Gets a file back: retrieves symbols, source symbols first, until they determine the file and no longer, rebuilds it,
 * checks its hash, and puts it in its place in one step. What comes is written to out_path.part, with a journal,
 * out_path.part.journal: an interrupted get goes on from there. Where the hash is wrong in the end, every symbol in the
 * workspace is checked again, bad ones are fetched again, and it is tried again, three times in all.
 *
 * SW_OK: out_path is the file, on disk. SW_SHORT: too few symbols could be had; what is there is kept. SW_DATA_LOSS:
 * the symbols are what the layout says, and the file is not: the layout is at fault. SW_INVALID_ARGUMENT: another get
 * is at work on out_path, it is a folder, or out_path.part is somebody else's. SW_IO_ERROR, SW_NO_SPACE, SW_NOT_FOUND,
 * SW_NO_MEMORY, SW_CANCELLED, SW_DEADLINE_EXCEEDED.
 */
SW_PUBLIC enum sw_status sw_get_file(struct sw_client *client, const struct sw_layout *layout, const char *out_path,
                                     const struct sw_file_options *options, struct sw_get_report **report,
                                     struct sw_error *error);

/*
 * As sw_put_file, with a folder in place of the nodes, one file a symbol, named by its key; NULL: the layout only. The
 * folder's files are synced to disk before the layout appears.
 */
SW_PUBLIC enum sw_status sw_encode_file(const char *path, const char *layout_path, const char *symbols_path,
                                        const struct sw_file_options *options, struct sw_put_report **report,
                                        struct sw_error *error);

/* As sw_get_file, with a folder in place of the nodes. */
SW_PUBLIC enum sw_status sw_decode_file(const struct sw_layout *layout, const char *symbols_path, const char *out_path,
                                        const struct sw_file_options *options, struct sw_get_report **report,
                                        struct sw_error *error);

#ifdef __cplusplus
}
#endif

#endif
