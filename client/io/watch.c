/*
 * What a retrieval's caller is told while it runs, beside symbols and progress: requests that are over, and proofs that
 * a node sent wrong bytes. Whatever thread finds out queues it here; the caller's thread tells it.
 */
#include "client/io/retrieval.h"
#include "common/memory.h"
#include <stdio.h>
#include <string.h>

/* ---- traces ---- */

const char *sw_trace_end_name(enum sw_trace_end end)
{
    switch (end) {
    case SW_TRACE_ANSWERED:
        return "answered";
    case SW_TRACE_CANCELLED:
        return "cancelled";
    case SW_TRACE_BEATEN:
        return "beaten";
    case SW_TRACE_SLOW:
        return "too slow";
    case SW_TRACE_FAILED:
        return "failed";
    }
    return "unknown";
}

/* In which wave the node is asked for the key. */
static uint32_t wave_of(const struct retrieval *retrieval, const struct sw_key *key, uint32_t node)
{
    uint32_t nodes[SW_ROUTE_CANDIDATES_MAX];
    uint32_t count = sw_route_nearest(retrieval->nodes->table, key, retrieval->client->options.candidates, nodes);
    uint32_t base = sw_route_base(key, retrieval->options.task_id, count);
    for (uint32_t at = 0; at < count; at++)
        if (nodes[at] == node)
            return (at + count - base) % count;
    return 0; /* cannot be: only candidates are asked */
}

struct trace *sw_trace_new(const struct retrieval *retrieval, const struct sw_wave_action *send)
{
    struct trace *trace = sw_calloc(1, sizeof(*trace));
    if (!trace)
        return NULL;
    trace->request = (struct sw_trace_request){.id = retrieval->before.trace_ids + send->request,
                                               .node_id = retrieval->nodes->peers[send->node]->id,
                                               .address = retrieval->nodes->peers[send->node]->address,
                                               .started_us = sw_clock_us() - retrieval->started_us,
                                               .keys = send->key_count,
                                               .wave = SW_WAVES_MAX,
                                               .hedge = send->hedge};
    for (uint32_t i = 0; i < send->key_count && trace->request.wave > 0; i++) {
        uint32_t wave = wave_of(retrieval, &retrieval->keys[send->keys[i]], send->node);
        if (wave < trace->request.wave)
            trace->request.wave = wave;
    }
    return trace;
}

void sw_trace_over(struct retrieval *retrieval, struct trace *trace, const char *error)
{
    if (trace->request.end == SW_TRACE_FAILED) {
        snprintf(trace->error, sizeof(trace->error), "%s", error);
        trace->request.error = trace->error;
    }
    trace->next = NULL;
    *retrieval->last_trace = trace;
    retrieval->last_trace = &trace->next;
    pthread_cond_broadcast(&retrieval->changed);
}

static void tell_trace(struct retrieval *retrieval)
{
    struct trace *trace = retrieval->first_trace;
    retrieval->first_trace = trace->next;
    if (!retrieval->first_trace)
        retrieval->last_trace = &retrieval->first_trace;
    pthread_mutex_unlock(&retrieval->client->lock);
    retrieval->options.trace(&trace->request, retrieval->options.trace_data);
    sw_free(trace);
    pthread_mutex_lock(&retrieval->client->lock);
}

/* ---- proofs ---- */

void sw_retrieval_note_proof(struct retrieval *retrieval, const struct proof *proof)
{
    retrieval->proof_count++;
    if (!retrieval->proofs)
        retrieval->proofs = sw_calloc(1, sizeof(*retrieval->proofs));
    struct proofs *proofs = retrieval->proofs;
    if (!proofs)
        return; /* counted all the same */
    if (proofs->sample_count < SW_REPORT_PROOF_SAMPLE_MAX)
        proofs->sample[proofs->sample_count++] = *proof;
    if (!retrieval->options.corrupt || proofs->queued == PROOFS_QUEUED_MAX)
        return;
    proofs->queue[(proofs->queue_first + proofs->queued++) % PROOFS_QUEUED_MAX] = *proof;
    pthread_cond_broadcast(&retrieval->changed);
}

struct sw_corrupt_proof sw_proof_named(const struct retrieval *retrieval, const struct proof *proof)
{
    const struct peer *peer = retrieval->nodes->peers[proof->node];
    return (struct sw_corrupt_proof){.node_id = peer->id,
                                     .address = peer->address,
                                     .key = proof->key,
                                     .digest = proof->digest,
                                     .bytes = proof->bytes};
}

static void tell_proof(struct retrieval *retrieval)
{
    struct proofs *proofs = retrieval->proofs;
    struct sw_corrupt_proof told = sw_proof_named(retrieval, &proofs->queue[proofs->queue_first]);
    proofs->queue_first = (proofs->queue_first + 1) % PROOFS_QUEUED_MAX;
    proofs->queued--;
    pthread_mutex_unlock(&retrieval->client->lock);
    retrieval->options.corrupt(&told, retrieval->options.corrupt_data);
    pthread_mutex_lock(&retrieval->client->lock);
}

/* ---- both ---- */

bool sw_retrieval_has_news(const struct retrieval *retrieval)
{
    return retrieval->first_trace || (retrieval->proofs && retrieval->proofs->queued > 0);
}

void sw_retrieval_tell_news(struct retrieval *retrieval)
{
    if (retrieval->proofs && retrieval->proofs->queued > 0)
        tell_proof(retrieval);
    else
        tell_trace(retrieval);
}
