/*
 * What the files of the RPC layer share, and the only place where gRPC's headers are included.
 */
#ifndef SW_RPC_CORE_H
#define SW_RPC_CORE_H

#include "common/rpc.h"
#include <grpc/byte_buffer.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <pthread.h>

/* What a completion queue's tag points to: who is told, on the loop thread, that an operation has ended. */
struct sw_rpc_tag {
    void (*done)(struct sw_rpc_tag *tag, bool ok);
};

struct sw_rpc_loop {
    grpc_completion_queue *queue;
    grpc_resource_quota *quota; /* of the channels, shared by all loops; NULL: no bound */
    size_t quota_bytes;         /* this loop's part of it */
    pthread_t thread;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ended;     /* the thread has nothing left to do */
    bool abandoned; /* nobody waits for the thread: it frees the loop */
};

/* A tag's owner. */
#define SW_RPC_OWNER(tag, type, member) ((type *)((char *)(tag)-offsetof(type, member)))

/*
 * The thread sanitizer does not see how gRPC hands a tag from the thread that starts an operation to the one that
 * polls: these two tell it.
 */
#if defined(__SANITIZE_THREAD__)
#define SW_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SW_TSAN 1
#endif
#endif
#ifdef SW_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define SW_RPC_HANDED_OVER(tag) __tsan_release(tag)
#define SW_RPC_TAKEN_OVER(tag)  __tsan_acquire(tag)
#else
#define SW_RPC_HANDED_OVER(tag) ((void)(tag))
#define SW_RPC_TAKEN_OVER(tag)  ((void)(tag))
#endif

/* Starts operations; a refusal by gRPC is a mistake of this layer and asserts. */
void sw_rpc_start_batch(grpc_call *call, const grpc_op *ops, size_t count, struct sw_rpc_tag *tag);

/* Why a message that came could not be handed over: how the call then ends. why NULL: none. */
struct sw_rpc_lost {
    enum sw_rpc_code code;
    const char *why;
};
/* A message of a received buffer, which becomes the message's. NULL, and the buffer is destroyed, without memory or
 * where it is compressed. */
struct sw_rpc_message *sw_rpc_message_from_buffer(grpc_byte_buffer *buffer, struct sw_rpc_lost *lost);
/* A buffer of a message to send; frees the message. */
grpc_byte_buffer *sw_rpc_message_to_buffer(struct sw_rpc_message *message);

/* The metadata that says a pushback; its value is the caller's to unref. */
grpc_metadata sw_rpc_pushback_metadata(uint32_t ms);
/* What a call's trailing metadata say of it: see sw_rpc_client_pushback_us. */
int64_t sw_rpc_pushback_of(const grpc_metadata_array *trailing);

/* The credentials of a channel. */
grpc_channel_credentials *sw_rpc_channel_credentials(const struct sw_rpc_channel_options *options);
/* gRPC's call of one of a server. */
grpc_call *sw_rpc_server_core_call(const struct sw_rpc_server_call *call);

/* How much the transport reads from a socket at once, in bytes: "sizes all three" once chunk reads are off. */
#define SW_RPC_READ_CHUNK_BYTES 65536
/* What a server's connection keeps for the next read: where more comes, gRPC goes on to the size above by itself. */
#define SW_RPC_IDLE_CHUNK_BYTES 4096

#endif
