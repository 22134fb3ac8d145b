/* Reports: the counts of a retrieval's engine or of a store, with names. Freeing and printing are report.c's. */
#include "client/io/report_build.h"
#include "client/io/store.h"
#include "common/memory.h"
#include <stdio.h>
#include <string.h>

/* Returns the table, which is in the report; NULL without memory. */
static struct sw_report_wave **fill_waves(struct sw_report *report, const struct sw_wave_stats *stats)
{
    struct sw_report_wave **waves = sw_table_new(stats->wave_count, sizeof(**waves));
    if (!waves)
        return NULL;
    report->wave_count = stats->wave_count;
    report->waves = (const struct sw_report_wave *const *)waves;
    for (uint32_t i = 0; i < stats->wave_count; i++) {
        const struct sw_wave_wave_stats *from = &stats->waves[i];
        *waves[i] = (struct sw_report_wave){.keys_asked = from->keys_asked,
                                            .found = from->found,
                                            .missing = from->missing,
                                            .failed = from->failed,
                                            .corrupt = from->corrupt};
    }
    return waves;
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What the last symbols were: of the retrieval, of its waves, and of all nodes, asked or not. */
static void fill_tail(struct sw_report *report, const struct retrieval *retrieval, struct sw_report_wave **waves,
                      struct sw_report_node **all)
{
    uint64_t first_us = UINT64_MAX, last_us = 0;
    report->tail_symbols = sw_wave_tail_count(retrieval->engine);
    for (uint32_t i = 0; i < report->tail_symbols; i++) {
        const struct sw_wave_tail_symbol symbol = sw_wave_tail_at(retrieval->engine, i);
        uint64_t wait_us = symbol.arrived_us > symbol.asked_us ? symbol.arrived_us - symbol.asked_us : 0;
        struct sw_report_wave *wave = waves[symbol.wave];
        struct sw_report_node *node = all[symbol.node];
        wave->tail_symbols++;
        wave->tail_wait_us = longer(wave->tail_wait_us, wait_us);
        node->tail_symbols++;
        node->tail_wait_us = longer(node->tail_wait_us, wait_us);
        first_us = symbol.arrived_us < first_us ? symbol.arrived_us : first_us;
        last_us = longer(last_us, symbol.arrived_us);
    }
    if (report->tail_symbols > 0)
        report->tail_us = last_us - first_us;
}

/* What the client has measured of all nodes. */
static void fill_rates(const struct retrieval *retrieval, const struct sw_wave_stats *stats,
                       struct sw_report_node **all)
{
    pthread_mutex_lock(&retrieval->client->lock);
    for (uint32_t i = 0; i < retrieval->nodes->count; i++) {
        const struct sw_wave_node_health *health = &retrieval->nodes->health[i];
        if (health->work_us > 0)
            all[i]->rate_bytes_per_second = (uint64_t)((double)health->work_bytes * 1e6 / (double)health->work_us);
        /* Of a node that has sent no symbol the engine has a guess. */
        if (stats->nodes[i].found > 0 || health->work_bytes > 0)
            all[i]->first_symbol_us = health->first_us;
    }
    pthread_mutex_unlock(&retrieval->client->lock);
}

/* Keeps the nodes that were asked, with copies of their names: a report outlives its client. */
static bool fill_nodes(struct sw_report *report, const struct retrieval *retrieval, const struct sw_wave_stats *stats,
                       struct sw_report_wave **waves)
{
    struct sw_report_node **nodes = sw_table_new(retrieval->nodes->count, sizeof(**nodes));
    report->nodes = (const struct sw_report_node *const *)nodes;
    if (!nodes)
        return false;
    fill_tail(report, retrieval, waves, nodes);
    fill_rates(retrieval, stats, nodes);
    for (uint32_t i = 0; i < retrieval->nodes->count; i++) {
        const struct sw_wave_node_stats *from = &stats->nodes[i];
        if (from->requests == 0)
            continue;
        struct sw_report_node *node = nodes[report->node_count++];
        *node = (struct sw_report_node){.id = sw_strdup(retrieval->nodes->peers[i]->id),
                                        .address = sw_strdup(retrieval->nodes->peers[i]->address),
                                        .requests = from->requests,
                                        .requests_failed = from->requests_failed,
                                        .keys_asked = from->keys_asked,
                                        .found = from->found,
                                        .missing = from->missing,
                                        .corrupt = from->corrupt,
                                        .bytes = from->bytes,
                                        .tail_symbols = nodes[i]->tail_symbols,
                                        .tail_wait_us = nodes[i]->tail_wait_us,
                                        .rate_bytes_per_second = nodes[i]->rate_bytes_per_second,
                                        .first_symbol_us = nodes[i]->first_symbol_us};
        if (retrieval->last_errors[i])
            snprintf(node->last_error, sizeof(node->last_error), "%s", retrieval->last_errors[i]);
        if (!node->id || !node->address)
            return false;
    }
    return true;
}

static bool fill_missing_sample(struct sw_report *report, const struct retrieval *retrieval)
{
    if (report->missing == 0)
        return true;
    struct sw_key *sample = sw_calloc(SW_REPORT_MISSING_SAMPLE_MAX, sizeof(*sample));
    report->missing_sample = sample;
    if (!sample)
        return false;
    for (uint32_t i = 0; i < retrieval->key_count && report->missing_sample_count < SW_REPORT_MISSING_SAMPLE_MAX; i++)
        if (sw_wave_key_is_lost(retrieval->engine, i))
            sample[report->missing_sample_count++] = retrieval->keys[i];
    return true;
}

static bool fill_proofs(struct sw_report *report, const struct retrieval *retrieval)
{
    const struct proofs *from = retrieval->proofs;
    report->proof_count = retrieval->proof_count;
    if (!from)
        return true;
    struct sw_corrupt_proof **proofs = sw_table_new(from->sample_count, sizeof(**proofs));
    report->proofs = (const struct sw_corrupt_proof *const *)proofs;
    if (!proofs)
        return false;
    for (uint32_t i = 0; i < from->sample_count; i++) {
        struct sw_corrupt_proof *proof = proofs[report->proof_sample_count++];
        *proof = sw_proof_named(retrieval, &from->sample[i]);
        proof->node_id = sw_strdup(proof->node_id);
        proof->address = sw_strdup(proof->address);
        if (!proof->node_id || !proof->address)
            return false;
    }
    return true;
}

static void fill_causes(struct sw_report *report, const struct sw_wave_stats *stats)
{
    report->wasted_corrupt_bytes = stats->wasted_bytes[SW_WAVE_DROP_CORRUPT];
    report->wasted_unasked_bytes = stats->wasted_bytes[SW_WAVE_DROP_UNASKED];
    report->wasted_duplicate_bytes = stats->wasted_bytes[SW_WAVE_DROP_DUPLICATE];
    report->wasted_late_bytes = stats->wasted_bytes[SW_WAVE_DROP_LATE];
    report->wasted_hedge_bytes = stats->wasted_bytes[SW_WAVE_DROP_HEDGE];
    report->hedges_sent = stats->hedges_sent;
    report->hedges_won = stats->hedges_won;
    report->hedges_lost = stats->hedges_sent - stats->hedges_won;
    report->late_found = stats->late_found;
    report->leases_out = stats->leases_out;
    report->leases_lapsed = stats->leases_lapsed;
}

struct sw_report *sw_report_of_retrieval(const struct retrieval *retrieval)
{
    const struct sw_wave_stats *stats = sw_wave_stats(retrieval->engine);
    struct sw_report *report = sw_calloc(1, sizeof(*report));
    if (!report)
        return NULL;
    report->status = retrieval->status;
    report->keys = retrieval->key_count;
    report->keys_duplicate = retrieval->keys_duplicate;
    report->required = stats->required;
    report->found_local = stats->found_local;
    report->found_network = stats->delivered - stats->found_local;
    report->missing = stats->required - stats->delivered;
    report->requests = stats->requests;
    report->requests_failed = stats->requests_failed;
    report->bytes = stats->bytes_delivered;
    report->bytes_received = stats->bytes_received;
    report->bytes_wasted = stats->bytes_wasted;
    report->symbols_wasted = stats->symbols_wasted;
    report->budget_bytes = retrieval->client->options.budget_bytes;
    report->budget_high_water_bytes = retrieval->budget_high_water_bytes;
    report->first_symbol_us = retrieval->first_symbol_us;
    report->elapsed_us = sw_clock_us() - retrieval->started_us;
    fill_causes(report, stats);
    struct sw_report_wave **waves = fill_waves(report, stats);
    if (waves && fill_nodes(report, retrieval, stats, waves) && fill_missing_sample(report, retrieval) &&
        fill_proofs(report, retrieval))
        return report;
    sw_report_free(report);
    return NULL;
}

struct sw_store_report *sw_report_of_store(const struct store_run *run)
{
    struct sw_store_report *report = sw_malloc(sizeof(*report));
    struct sw_report_node **nodes = sw_table_new(run->nodes->count, sizeof(**nodes));
    if (!report || !nodes) {
        sw_free(report);
        sw_free(nodes);
        return NULL;
    }
    *report = run->report;
    report->nodes = (const struct sw_report_node *const *)nodes;
    for (uint32_t i = 0; i < run->nodes->count; i++) {
        if (run->node[i].report.keys_asked == 0)
            continue;
        struct sw_report_node *node = nodes[report->node_count++];
        *node = run->node[i].report;
        node->id = sw_strdup(run->nodes->peers[i]->id);
        node->address = sw_strdup(run->nodes->peers[i]->address);
        if (!node->id || !node->address) {
            sw_store_report_free(report);
            return NULL;
        }
    }
    return report;
}
