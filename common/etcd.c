/* What etcd.h promises: calls by protobuf-c over the gRPC layer, on a loop of its own. */
#include "common/etcd.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/memory.h"
#include "common/protobuf.h"
#include "common/rpc_wait.h"
#include "etcd/etcd.pb-c.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ENDPOINTS_MAX 16
/* Entries in one answer, which fit whatever their names are; unpacked it takes up to fifty times as much memory. */
#define RANGE_MAX         2000
#define MESSAGE_BYTES_MAX ((size_t)4 << 20)
/* As many as a node list may have. */
#define ENTRIES_MAX 1000000
/* An etcd without a leader answers nothing for longer. */
#define STALL_US ((uint64_t)3000000)
/* For a whole list, however many pages it has; and for leaving, so much of which is for one endpoint. */
#define LIST_US        ((uint64_t)60000000)
#define LEAVE_US       ((uint64_t)3000000)
#define LEAVE_STALL_US ((uint64_t)1000000)

/* A stream of changes; what is called last, the owner's end or the stream's, frees it. */
struct stream {
    atomic_uint references;
    pthread_mutex_t lock;
    pthread_cond_t over;
    struct sw_rpc_client_call *call;
    void (*changed)(void *user_data); /* NULL: nobody wants to know any more */
    void *user_data;
    bool ended;
};

struct sw_etcd {
    struct sw_rpc_loop *loop;
    struct sw_tls_pem pem;
    size_t count, current; /* of channels; the one that answered last */
    struct sw_rpc_channel *channels[ENDPOINTS_MAX];
    char *names[ENDPOINTS_MAX];
    char *prefix, *prefix_end;
    struct stream *stream;
    struct sw_rpc_stop stop;
};

/* ---- making ---- */

static enum sw_status add_endpoint(struct sw_etcd *etcd, const char *text, size_t bytes, bool tls,
                                   struct sw_error *error)
{
    const struct sw_rpc_channel_options options = {.tls = tls ? &etcd->pem : NULL,
                                                   .message_bytes_max = MESSAGE_BYTES_MAX};
    char *name = sw_text_new("%.*s", (int)bytes, text);
    struct sw_node_list *list = sw_node_list_new();
    struct sw_error cause = {0};
    if (!name || !list) {
        sw_free(name);
        sw_node_list_free(list);
        return sw_error_set(error, SW_NO_MEMORY, "no memory for etcd's endpoints");
    }
    enum sw_status status = sw_node_list_add(list, "etcd", name, &cause);
    sw_node_list_free(list);
    if (status != SW_OK || etcd->count == ENDPOINTS_MAX) {
        sw_error_set(error, SW_INVALID_ARGUMENT, "the endpoint \"%.100s\" of etcd: %.300s", name,
                     status != SW_OK ? cause.message : "there are more than 16");
        sw_free(name);
        return SW_INVALID_ARGUMENT;
    }
    etcd->names[etcd->count] = name;
    etcd->channels[etcd->count] = sw_rpc_channel_new(etcd->loop, name, &options);
    if (!etcd->channels[etcd->count++])
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a connection to etcd");
    return SW_OK;
}

/* The first key that does not begin with the prefix; no prefix ends with the last byte that there is. */
static bool set_prefix(struct sw_etcd *etcd, const char *prefix)
{
    etcd->prefix = sw_strdup(prefix);
    etcd->prefix_end = sw_strdup(prefix);
    if (!etcd->prefix || !etcd->prefix_end)
        return false;
    etcd->prefix_end[strlen(prefix) - 1]++;
    return true;
}

static enum sw_status check_prefix(const char *prefix, struct sw_error *error)
{
    for (const char *c = prefix; *c; c++)
        if (*c <= ' ' || *c > '~')
            return sw_error_set(error, SW_INVALID_ARGUMENT, "the prefix of etcd's keys is not of visible ASCII alone");
    if (!*prefix || strlen(prefix) > 512)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the prefix of etcd's keys has 1 to 512 characters");
    return SW_OK;
}

enum sw_status sw_etcd_new(const char *endpoints, const char *prefix, bool tls, const struct sw_tls_files *files,
                           struct sw_etcd **out, struct sw_error *error)
{
    *out = NULL;
    prefix = prefix ? prefix : SW_ETCD_PREFIX_DEFAULT;
    tls = tls || files->ca || files->certificate || files->key;
    enum sw_status status = check_prefix(prefix, error);
    if (status != SW_OK)
        return status;
    struct sw_etcd *etcd = sw_calloc(1, sizeof(*etcd));
    if (!etcd)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for etcd");
    etcd->stop = (struct sw_rpc_stop)SW_RPC_STOP_INITIALIZER;
    if (!set_prefix(etcd, prefix))
        status = sw_error_set(error, SW_NO_MEMORY, "no memory for etcd");
    if (status == SW_OK && tls)
        status = sw_tls_load(files, &etcd->pem, NULL, error);
    if (status == SW_OK)
        status = sw_rpc_loop_new(&etcd->loop, error);
    for (const char *at = endpoints; status == SW_OK && at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        status = add_endpoint(etcd, at, strcspn(at, ","), tls, error);
    if (status == SW_OK)
        *out = etcd;
    else
        sw_etcd_free(etcd);
    return status;
}

static void stream_unref(struct stream *stream)
{
    if (atomic_fetch_sub(&stream->references, 1) > 1)
        return;
    sw_rpc_client_release(stream->call);
    pthread_cond_destroy(&stream->over);
    pthread_mutex_destroy(&stream->lock);
    sw_free(stream);
}

/* Once it returns nobody is told any more, and the call has ended: what comes after that finds no loop. */
static void stream_end(struct sw_etcd *etcd)
{
    struct stream *stream = etcd->stream;
    if (!stream)
        return;
    etcd->stream = NULL;
    pthread_mutex_lock(&stream->lock);
    stream->changed = NULL;
    pthread_mutex_unlock(&stream->lock);
    sw_rpc_client_cancel(stream->call);
    pthread_mutex_lock(&stream->lock);
    while (!stream->ended)
        sw_cond_wait_until(&stream->over, &stream->lock, SW_CLOCK_NEVER);
    pthread_mutex_unlock(&stream->lock);
    stream_unref(stream);
}

void sw_etcd_free(struct sw_etcd *etcd)
{
    if (!etcd)
        return;
    stream_end(etcd);
    for (size_t i = 0; i < etcd->count; i++) {
        sw_rpc_channel_free(etcd->channels[i]);
        sw_free(etcd->names[i]);
    }
    sw_rpc_loop_free(etcd->loop);
    sw_tls_pem_clear(&etcd->pem);
    sw_free(etcd->prefix);
    sw_free(etcd->prefix_end);
    sw_free(etcd);
}

/* ---- calls ---- */

struct answer {
    const ProtobufCMessageDescriptor *type;
    ProtobufCMessage *message; /* the first that came; NULL: none, or none that can be read */
    bool came;
};

/* Takes the first message, and is content with it. */
static bool take_answer(void *user_data, struct sw_rpc_message *message)
{
    struct answer *answer = user_data;
    if (!answer->came)
        answer->message = sw_protobuf_unpack(answer->type, message, SIZE_MAX);
    answer->came = true;
    sw_rpc_message_free(message);
    return false;
}

/* What ends a call that does not end by itself. */
struct patience {
    uint64_t stall_us;        /* at one endpoint */
    uint64_t until_us;        /* at all of them; 0: no end */
    struct sw_rpc_stop *stop; /* NULL: none */
};

/* Asks one endpoint after the other; *answer is the caller's to free. */
static enum sw_status ask(struct sw_etcd *etcd, const struct patience *patience, const char *method,
                          const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
                          ProtobufCMessage **answer, struct sw_error *error)
{
    enum sw_status status = SW_UNAVAILABLE;
    for (size_t i = 0; i < etcd->count; i++) {
        const size_t at = (etcd->current + i) % etcd->count;
        struct answer came = {.type = type};
        struct sw_error cause = {0};
        struct sw_rpc_message *packed = sw_protobuf_pack(request);
        if (!packed)
            return sw_error_set(error, SW_NO_MEMORY, "no memory to ask etcd");
        status = sw_rpc_wait(etcd->channels[at],
                             &(struct sw_rpc_wait){.method = method,
                                                   .request = packed,
                                                   .message = take_answer,
                                                   .user_data = &came,
                                                   .stall_us = patience->stall_us,
                                                   .deadline_us = patience->until_us,
                                                   .stop = patience->stop},
                             &cause);
        if (status == SW_OK && !came.message) {
            status = SW_PROTOCOL_ERROR;
            snprintf(cause.message, sizeof(cause.message), "its answer cannot be read");
        }
        if (status == SW_OK) {
            etcd->current = at;
            *answer = came.message;
            return SW_OK;
        }
        if (came.message)
            protobuf_c_message_free_unpacked(came.message, &sw_protobuf_allocator);
        sw_error_set(error, status, "etcd at %.100s: %.350s", etcd->names[at], cause.message);
    }
    return status;
}

static ProtobufCBinaryData data_of(const char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
}

void sw_etcd_stop(struct sw_etcd *etcd)
{
    sw_rpc_stop(&etcd->stop);
}

/* ---- the list ---- */

/* Adds one entry; false where it is no node. SW_NO_MEMORY goes to *status. */
static bool add_entry(const struct sw_etcd *etcd, const Symwave__Etcd__KeyValue *entry, struct sw_node_list *list,
                      enum sw_status *status)
{
    char id[SW_NODE_ID_BYTES_MAX + 1], address[SW_NODE_ADDRESS_BYTES_MAX + 1];
    const size_t prefix_bytes = strlen(etcd->prefix);
    if (entry->key.len < prefix_bytes || memcmp(entry->key.data, etcd->prefix, prefix_bytes) != 0)
        return false;
    const size_t id_bytes = entry->key.len - prefix_bytes;
    if (id_bytes >= sizeof(id) || entry->value.len >= sizeof(address) ||
        memchr(entry->key.data, '\0', entry->key.len) ||
        (entry->value.len > 0 && memchr(entry->value.data, '\0', entry->value.len)))
        return false;
    snprintf(id, sizeof(id), "%.*s", (int)id_bytes, (const char *)entry->key.data + prefix_bytes);
    snprintf(address, sizeof(address), "%.*s", (int)entry->value.len,
             entry->value.data ? (const char *)entry->value.data : "");
    enum sw_status added = sw_node_list_add(list, id, address, NULL);
    if (added == SW_NO_MEMORY)
        *status = SW_NO_MEMORY;
    return added == SW_OK;
}

/* Where the next page begins: at the shortest key after the last, which is that and a zero. */
static enum sw_status next_page(ProtobufCBinaryData last, char **from, size_t *from_bytes)
{
    const size_t both = last.len < *from_bytes ? last.len : *from_bytes;
    const int order = both > 0 ? memcmp(last.data, *from, both) : 0;
    if (order < 0 || (order == 0 && last.len < *from_bytes)) /* or it would never end */
        return SW_PROTOCOL_ERROR;
    char *next = sw_realloc(*from, last.len + 1);
    if (!next)
        return SW_NO_MEMORY;
    *from = next;
    memcpy(next, last.data, last.len);
    next[last.len] = '\0';
    *from_bytes = last.len + 1;
    return SW_OK;
}

enum sw_status sw_etcd_list(struct sw_etcd *etcd, struct sw_node_list **out, int64_t *revision, size_t *passed_over,
                            struct sw_error *error)
{
    struct sw_node_list *list = sw_node_list_new();
    enum sw_status status = list ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory for a node list");
    const struct patience patience = {STALL_US, sw_clock_us() + LIST_US, &etcd->stop};
    char *from = sw_strdup(etcd->prefix);
    size_t from_bytes = strlen(etcd->prefix);
    bool more = true;
    *out = NULL;
    *revision = 0;
    *passed_over = 0;
    if (status == SW_OK && !from)
        status = sw_error_set(error, SW_NO_MEMORY, "no memory for a node list");
    while (status == SW_OK && more) {
        Symwave__Etcd__RangeRequest request = SYMWAVE__ETCD__RANGE_REQUEST__INIT;
        ProtobufCMessage *answer = NULL;
        request.key = (ProtobufCBinaryData){.len = from_bytes, .data = (uint8_t *)from};
        request.range_end = data_of(etcd->prefix_end);
        request.limit = RANGE_MAX;
        status = ask(etcd, &patience, "/etcdserverpb.KV/Range", &request.base,
                     &symwave__etcd__range_response__descriptor, &answer, error);
        if (status != SW_OK)
            break;
        const Symwave__Etcd__RangeResponse *range = (const Symwave__Etcd__RangeResponse *)answer;
        /* The first page's: what changes while the others come is told by the stream. */
        if (*revision == 0 && range->header)
            *revision = range->header->revision;
        for (size_t i = 0; i < range->n_kvs && status == SW_OK; i++)
            *passed_over += !add_entry(etcd, range->kvs[i], list, &status);
        more = range->more && range->n_kvs > 0;
        if (status == SW_OK && more)
            status = next_page(range->kvs[range->n_kvs - 1]->key, &from, &from_bytes);
        if (sw_node_list_count(list) + *passed_over > ENTRIES_MAX)
            status = SW_RESOURCE_EXHAUSTED;
        protobuf_c_message_free_unpacked(answer, &sw_protobuf_allocator);
        if (status != SW_OK)
            sw_error_set(error, status,
                         status == SW_NO_MEMORY        ? "no memory for a node list"
                         : status == SW_PROTOCOL_ERROR ? "etcd gives keys that are not in order"
                                                       : "there are more than a million keys under the prefix");
    }
    sw_free(from);
    if (status == SW_OK)
        *out = list;
    else
        sw_node_list_free(list);
    return status;
}

/* ---- the stream ---- */

static void tell(struct stream *stream)
{
    if (stream->changed)
        stream->changed(stream->user_data);
}

static void on_message(void *state, struct sw_rpc_message *message)
{
    struct stream *stream = state;
    Symwave__Etcd__WatchResponse *response =
        sw_protobuf_unpack(&symwave__etcd__watch_response__descriptor, message, SIZE_MAX);
    sw_rpc_message_free(message);
    pthread_mutex_lock(&stream->lock);
    /* What cannot be read, or kept, may have been a change. */
    if (!response || response->n_events > 0)
        tell(stream);
    if (!response || response->canceled)
        sw_rpc_client_cancel(stream->call);
    pthread_mutex_unlock(&stream->lock);
    symwave__etcd__watch_response__free_unpacked(response, &sw_protobuf_allocator);
}

static void on_end(void *state, enum sw_rpc_code code, const char *details)
{
    struct stream *stream = state;
    (void)code;
    (void)details;
    pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    tell(stream);
    pthread_cond_signal(&stream->over);
    pthread_mutex_unlock(&stream->lock);
    stream_unref(stream);
}

bool sw_etcd_is_watching(struct sw_etcd *etcd)
{
    if (!etcd->stream)
        return false;
    pthread_mutex_lock(&etcd->stream->lock);
    bool is_open = !etcd->stream->ended;
    pthread_mutex_unlock(&etcd->stream->lock);
    return is_open;
}

enum sw_status sw_etcd_watch(struct sw_etcd *etcd, int64_t revision, void (*changed)(void *user_data), void *user_data,
                             struct sw_error *error)
{
    static const struct sw_rpc_client_handler handler = {.message = on_message, .end = on_end};
    Symwave__Etcd__WatchCreateRequest create = SYMWAVE__ETCD__WATCH_CREATE_REQUEST__INIT;
    Symwave__Etcd__WatchRequest request = SYMWAVE__ETCD__WATCH_REQUEST__INIT;
    if (sw_etcd_is_watching(etcd))
        return SW_OK;
    stream_end(etcd);
    create.key = data_of(etcd->prefix);
    create.range_end = data_of(etcd->prefix_end);
    create.start_revision = revision + 1;
    request.create_request = &create;
    struct sw_rpc_message *packed = sw_protobuf_pack(&request.base);
    struct stream *stream = sw_calloc(1, sizeof(*stream));
    if (stream) {
        atomic_init(&stream->references, 2);
        pthread_mutex_init(&stream->lock, NULL);
        sw_cond_init(&stream->over);
        stream->changed = changed;
        stream->user_data = user_data;
        /* The first callback may come before start returns: it must find the call. */
        pthread_mutex_lock(&stream->lock);
        stream->call = packed ? sw_rpc_client_start(etcd->channels[etcd->current], "/etcdserverpb.Watch/Watch", NULL,
                                                    SW_CLOCK_NEVER, &handler, stream)
                              : NULL;
        if (stream->call)
            sw_rpc_client_send(stream->call, packed);
        pthread_mutex_unlock(&stream->lock);
    }
    if (!stream || !stream->call) {
        sw_rpc_message_free(packed);
        if (stream) {
            pthread_cond_destroy(&stream->over);
            pthread_mutex_destroy(&stream->lock);
        }
        sw_free(stream);
        return sw_error_set(error, SW_NO_MEMORY, "no memory to watch etcd");
    }
    etcd->stream = stream;
    return SW_OK;
}

/* ---- registering ---- */

static enum sw_status put(struct sw_etcd *etcd, const char *id, const char *address, int64_t lease,
                          struct sw_error *error)
{
    Symwave__Etcd__PutRequest request = SYMWAVE__ETCD__PUT_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    char *key = sw_text_new("%s%s", etcd->prefix, id);
    if (!key)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to register at etcd");
    request.key = data_of(key);
    request.value = data_of(address);
    request.lease = lease;
    enum sw_status status = ask(etcd, &(struct patience){STALL_US, 0, &etcd->stop}, "/etcdserverpb.KV/Put",
                                &request.base, &symwave__etcd__put_response__descriptor, &answer, error);
    if (status == SW_OK)
        protobuf_c_message_free_unpacked(answer, &sw_protobuf_allocator);
    sw_free(key);
    return status;
}

enum sw_status sw_etcd_register(struct sw_etcd *etcd, const char *id, const char *address, uint32_t ttl_s,
                                int64_t *lease, struct sw_error *error)
{
    Symwave__Etcd__LeaseGrantRequest request = SYMWAVE__ETCD__LEASE_GRANT_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    request.ttl = ttl_s;
    enum sw_status status = ask(etcd, &(struct patience){STALL_US, 0, &etcd->stop}, "/etcdserverpb.Lease/LeaseGrant",
                                &request.base, &symwave__etcd__lease_grant_response__descriptor, &answer, error);
    if (status != SW_OK)
        return status;
    const Symwave__Etcd__LeaseGrantResponse *granted = (const Symwave__Etcd__LeaseGrantResponse *)answer;
    *lease = granted->id;
    if (granted->id == 0)
        status = sw_error_set(error, SW_UNAVAILABLE, "etcd grants no lease: %.300s", granted->error);
    protobuf_c_message_free_unpacked(answer, &sw_protobuf_allocator);
    if (status == SW_OK)
        status = put(etcd, id, address, *lease, error);
    return status;
}

enum sw_status sw_etcd_keep_alive(struct sw_etcd *etcd, int64_t lease, struct sw_error *error)
{
    Symwave__Etcd__LeaseKeepAliveRequest request = SYMWAVE__ETCD__LEASE_KEEP_ALIVE_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    request.id = lease;
    enum sw_status status =
        ask(etcd, &(struct patience){STALL_US, 0, &etcd->stop}, "/etcdserverpb.Lease/LeaseKeepAlive", &request.base,
            &symwave__etcd__lease_keep_alive_response__descriptor, &answer, error);
    if (status != SW_OK)
        return status;
    if (((const Symwave__Etcd__LeaseKeepAliveResponse *)answer)->ttl <= 0)
        status = sw_error_set(error, SW_NOT_FOUND, "the lease has ended");
    protobuf_c_message_free_unpacked(answer, &sw_protobuf_allocator);
    return status;
}

enum sw_status sw_etcd_revoke(struct sw_etcd *etcd, int64_t lease, struct sw_error *error)
{
    Symwave__Etcd__LeaseRevokeRequest request = SYMWAVE__ETCD__LEASE_REVOKE_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    request.id = lease;
    const struct patience patience = {LEAVE_STALL_US, sw_clock_us() + LEAVE_US, NULL};
    enum sw_status status = ask(etcd, &patience, "/etcdserverpb.Lease/LeaseRevoke", &request.base,
                                &symwave__etcd__lease_revoke_response__descriptor, &answer, error);
    if (status == SW_OK)
        protobuf_c_message_free_unpacked(answer, &sw_protobuf_allocator);
    return status;
}
