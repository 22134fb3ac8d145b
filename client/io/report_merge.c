#include "client/io/report_merge.h"
#include "common/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_nodes(const void *a, const void *b)
{
    const struct sw_report_node *x = *(struct sw_report_node *const *)a, *y = *(struct sw_report_node *const *)b;
    int order = strcmp(x->id, y->id);

    return order != 0 ? order : strcmp(x->address, y->address);
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void add_node(struct sw_report_node *sum, const struct sw_report_node *later)
{
    sum->requests += later->requests;
    sum->requests_failed += later->requests_failed;
    sum->keys_asked += later->keys_asked;
    sum->found += later->found;
    sum->missing += later->missing;
    sum->corrupt += later->corrupt;
    sum->bytes += later->bytes;
    if (later->last_error[0] != '\0')
        memcpy(sum->last_error, later->last_error, sizeof(sum->last_error));
    sum->tail_symbols += later->tail_symbols;
    sum->tail_wait_us = longer(sum->tail_wait_us, later->tail_wait_us);
    if (later->rate_bytes_per_second > 0)
        sum->rate_bytes_per_second = later->rate_bytes_per_second;
    if (later->first_symbol_us > 0)
        sum->first_symbol_us = later->first_symbol_us;
}

/* The nodes of both, each once, their names taken from them. False without memory, and nothing has changed then. */
static bool merge_nodes(struct sw_report *sum, struct sw_report *later)
{
    const uint64_t count = sum->node_count + later->node_count;
    struct sw_report_node **nodes = sw_table_new(count, sizeof(**nodes));
    uint64_t kept = 0;

    if (!nodes)
        return false;
    for (uint64_t i = 0; i < count; i++)
        *nodes[i] = i < sum->node_count ? *sum->nodes[i] : *later->nodes[i - sum->node_count];
    qsort(nodes, count, sizeof(struct sw_report_node *), compare_nodes);
    for (uint64_t i = 0; i < count; i++) {
        if (kept > 0 && compare_nodes(&nodes[kept - 1], &nodes[i]) == 0) {
            add_node(nodes[kept - 1], nodes[i]);
            sw_free((char *)nodes[i]->id);
            sw_free((char *)nodes[i]->address);
        } else {
            nodes[kept++] = nodes[i];
        }
    }
    sw_free((void *)sum->nodes);
    sum->nodes = (const struct sw_report_node *const *)nodes;
    sum->node_count = kept;
    later->node_count = 0;
    return true;
}

static void add_wave(struct sw_report_wave *sum, const struct sw_report_wave *later)
{
    sum->keys_asked += later->keys_asked;
    sum->found += later->found;
    sum->missing += later->missing;
    sum->failed += later->failed;
    sum->corrupt += later->corrupt;
    sum->tail_symbols += later->tail_symbols;
    sum->tail_wait_us = longer(sum->tail_wait_us, later->tail_wait_us);
}

/* The waves of both, in a new table for so many. */
static void merge_waves(struct sw_report *sum, const struct sw_report *later, struct sw_report_wave **waves,
                        uint32_t count)
{
    for (uint32_t i = 0; i < sum->wave_count; i++)
        add_wave(waves[i], sum->waves[i]);
    for (uint32_t i = 0; i < later->wave_count; i++)
        add_wave(waves[i], later->waves[i]);
    sw_free((void *)sum->waves);
    sum->waves = (const struct sw_report_wave *const *)waves;
    sum->wave_count = count;
}

/* The first proofs of both, as many as a sample has; without memory only the sum's. */
static void merge_proofs(struct sw_report *sum, struct sw_report *later)
{
    const uint64_t had = sum->proof_sample_count, room = SW_REPORT_PROOF_SAMPLE_MAX - had;
    const uint64_t taken = later->proof_sample_count < room ? later->proof_sample_count : room;
    struct sw_corrupt_proof **proofs = taken > 0 ? sw_table_new(had + taken, sizeof(**proofs)) : NULL;

    sum->proof_count += later->proof_count;
    if (!proofs)
        return;
    for (uint64_t i = 0; i < had; i++)
        *proofs[i] = *sum->proofs[i];
    for (uint64_t i = 0; i < taken; i++) {
        struct sw_corrupt_proof *from = (struct sw_corrupt_proof *)later->proofs[i];
        *proofs[had + i] = *from;
        from->node_id = from->address = NULL; /* moved */
    }
    sw_free((void *)sum->proofs);
    sum->proofs = (const struct sw_corrupt_proof *const *)proofs;
    sum->proof_sample_count += taken;
}

static void add_reasons(struct sw_report *sum, const struct sw_report *later)
{
    sum->wasted_corrupt_bytes += later->wasted_corrupt_bytes;
    sum->wasted_unasked_bytes += later->wasted_unasked_bytes;
    sum->wasted_duplicate_bytes += later->wasted_duplicate_bytes;
    sum->wasted_late_bytes += later->wasted_late_bytes;
    sum->wasted_hedge_bytes += later->wasted_hedge_bytes;
    sum->hedges_sent += later->hedges_sent;
    sum->hedges_won += later->hedges_won;
    sum->hedges_lost += later->hedges_lost;
    sum->late_found += later->late_found;
    sum->leases_out += later->leases_out;
    sum->leases_lapsed += later->leases_lapsed;
    sum->tail_symbols += later->tail_symbols;
    sum->tail_us += later->tail_us;
}

struct sw_report *sw_report_merge(struct sw_report *sum, struct sw_report *later)
{
    if (!sum || !later)
        return sum ? sum : later;
    const uint32_t wave_count = sum->wave_count > later->wave_count ? sum->wave_count : later->wave_count;
    struct sw_report_wave **waves = sw_table_new(wave_count, sizeof(**waves));
    if (!waves || !merge_nodes(sum, later)) {
        sw_free(waves);
        sw_report_free(later);
        return sum;
    }
    merge_waves(sum, later, waves, wave_count);
    sum->status = later->status;
    sum->keys += later->keys;
    sum->keys_duplicate += later->keys_duplicate;
    sum->required += later->required;
    sum->found_local += later->found_local;
    sum->found_network += later->found_network;
    sum->missing = later->missing;
    sum->requests += later->requests;
    sum->requests_failed += later->requests_failed;
    sum->bytes += later->bytes;
    sum->bytes_received += later->bytes_received;
    sum->bytes_wasted += later->bytes_wasted;
    sum->symbols_wasted += later->symbols_wasted;
    if (later->budget_high_water_bytes > sum->budget_high_water_bytes)
        sum->budget_high_water_bytes = later->budget_high_water_bytes;
    if (sum->first_symbol_us == 0 && later->first_symbol_us > 0)
        sum->first_symbol_us = sum->elapsed_us + later->first_symbol_us;
    sum->elapsed_us += later->elapsed_us;
    sw_free((struct sw_key *)sum->missing_sample);
    sum->missing_sample = later->missing_sample;
    sum->missing_sample_count = later->missing_sample_count;
    later->missing_sample = NULL;
    merge_proofs(sum, later);
    add_reasons(sum, later);
    sw_report_free(later);
    return sum;
}
