#include "client/cli/summary.h"
#include "client/cli/cli.h"
#include "common/format.h"
#include <string.h>

#define NODES_SHOWN 8
#define NAME_SIZE   1024

typedef unsigned long long u64; /* for printf */

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* Nodes whose requests failed, the worst known first in the list's order; at most a few. */
static void print_bad_nodes(FILE *out, const struct sw_report_node *const *nodes, uint64_t count)
{
    char why[SW_ERROR_MESSAGE_SIZE];
    uint64_t shown = 0, bad = 0;

    for (uint64_t i = 0; i < count; i++) {
        const struct sw_report_node *node = nodes[i];
        if (node->requests_failed == 0 && node->corrupt == 0)
            continue;
        if (++bad > NODES_SHOWN)
            continue;
        shown++;
        fprintf(out, "  node %s at %s: %llu of %llu requests failed", node->id, node->address,
                (u64)node->requests_failed, (u64)node->requests);
        if (node->corrupt > 0)
            fprintf(out, ", %llu bad symbol%s", (u64)node->corrupt, plural(node->corrupt));
        if (node->last_error[0] != '\0')
            fprintf(out, ": %s", printable(node->last_error, strlen(node->last_error), why, sizeof(why)));
        fputc('\n', out);
    }
    if (bad > shown)
        fprintf(out, "  and %llu more nodes with failures: --json has them all\n", (u64)(bad - shown));
}

/* In MiB, as budgets are given. */
static void print_budget(FILE *out, uint64_t used, uint64_t budget)
{
    fprintf(out, "  budget        %.1f of %.1f MiB used at most\n", (double)used / (1 << 20),
            (double)budget / (1 << 20));
}

static void print_waves(FILE *out, const struct sw_report *report)
{
    for (uint32_t i = 0; i < report->wave_count && i < SW_WAVES_MAX; i++) {
        const struct sw_report_wave *wave = report->waves[i];
        fprintf(out, "  wave %-2u       %llu keys asked: %llu found, %llu missing, %llu failed, %llu corrupt\n", i,
                (u64)wave->keys_asked, (u64)wave->found, (u64)wave->missing, (u64)wave->failed, (u64)wave->corrupt);
    }
}

/* What a retrieval took, beside what came of it. */
static void print_retrieval(FILE *out, const struct sw_report *report)
{
    char bytes[NUMBER_SIZE], elapsed[NUMBER_SIZE];

    fprintf(out, "  requests      %llu, %llu failed\n", (u64)report->requests, (u64)report->requests_failed);
    fprintf(out, "  over-fetch    %.2f %% (%llu symbol%s, %s)\n",
            report->bytes > 0 ? 100.0 * (double)report->bytes_wasted / (double)report->bytes : 0.0,
            (u64)report->symbols_wasted, plural(report->symbols_wasted), format_bytes(report->bytes_wasted, bytes));
    print_budget(out, report->budget_high_water_bytes, report->budget_bytes);
    if (report->first_symbol_us > 0)
        fprintf(out, "  first symbol  after %s\n", format_time(report->first_symbol_us, elapsed));
    print_waves(out, report);
    print_reasons(out, report);
    print_bad_nodes(out, report->nodes, report->node_count);
}

void print_fetch_summary(FILE *out, const struct sw_report *report, const char *folder)
{
    char bytes[NUMBER_SIZE], rate[NUMBER_SIZE], elapsed[NUMBER_SIZE];
    uint64_t found = report->found_local + report->found_network;

    fprintf(out, "fetched %llu of %llu required symbols into %s: %llu from nodes, %llu there already\n", (u64)found,
            (u64)report->required, folder, (u64)report->found_network, (u64)report->found_local);
    fprintf(out, "  amount        %s in %s, %s\n", format_bytes(report->bytes, bytes),
            format_time(report->elapsed_us, elapsed), format_rate(report->bytes, report->elapsed_us, rate));
    fprintf(out, "  keys          %llu", (u64)report->keys);
    if (report->keys_duplicate > 0)
        fprintf(out, ", and %llu more of the same", (u64)report->keys_duplicate);
    fputc('\n', out);
    print_retrieval(out, report);
}

/* What a store took, beside what came of it. */
static void print_replicas(FILE *out, const struct sw_store_report *report)
{
    char bytes[NUMBER_SIZE];

    fprintf(out, "  replicas      %llu wanted: %llu stored, %llu there already, %llu refused, %llu failed\n",
            (u64)report->replicas_wanted, (u64)report->replicas_placed, (u64)report->replicas_present,
            (u64)report->replicas_refused, (u64)report->replicas_failed);
    fprintf(out, "  requests      %llu, %s sent\n", (u64)report->requests, format_bytes(report->bytes_sent, bytes));
    print_budget(out, report->budget_high_water_bytes, report->budget_bytes);
    print_bad_nodes(out, report->nodes, report->node_count);
}

void print_store_summary(FILE *out, const struct sw_store_report *report)
{
    char bytes[NUMBER_SIZE], rate[NUMBER_SIZE], elapsed[NUMBER_SIZE];

    fprintf(out, "stored %llu of %llu symbol%s, %s, in %s, %s\n",
            (u64)(report->symbols - report->symbols_without_replica), (u64)report->symbols, plural(report->symbols),
            format_bytes(report->bytes, bytes), format_time(report->elapsed_us, elapsed),
            format_rate(report->bytes, report->elapsed_us, rate));
    print_replicas(out, report);
}

/* The most memory that a job's own buffers had, the client's budget aside. */
static void print_buffers(FILE *out, uint64_t bytes)
{
    if (bytes > 0)
        fprintf(out, "  buffers       %.1f MiB at most\n", (double)bytes / (1 << 20));
}

void print_put_summary(FILE *out, const struct sw_put_report *report, const char *file, const char *layout)
{
    char bytes[NUMBER_SIZE], rate[NUMBER_SIZE], elapsed[NUMBER_SIZE], encode[NUMBER_SIZE], hash[SW_KEY_BASE58_SIZE];

    char name[NAME_SIZE], layout_name[NAME_SIZE];

    printable(file, strlen(file), name, sizeof(name));
    if (report->status != SW_OK) {
        fprintf(out, "%s is not complete: %llu of %llu symbols made, %llu of them on no node\n", name,
                (u64)report->symbols_made, (u64)(report->source_symbols + report->repair_symbols),
                (u64)report->unplaced);
        if (report->store)
            print_replicas(out, report->store);
        return;
    }
    sw_key_to_base58(&report->hash, hash);
    fprintf(out, "%s %s: %llu source and %llu repair symbols, layout in %s\n", report->store ? "put" : "encoded", name,
            (u64)report->source_symbols, (u64)report->repair_symbols,
            printable(layout, strlen(layout), layout_name, sizeof(layout_name)));
    fprintf(out, "  hash          %s\n", hash);
    fprintf(out, "  amount        %s in %s, %s; %s of it to read and prepare\n", format_bytes(report->bytes, bytes),
            format_time(report->elapsed_us, elapsed), format_rate(report->bytes, report->elapsed_us, rate),
            format_time(report->encode_us, encode));
    if (report->store)
        print_replicas(out, report->store);
    print_buffers(out, report->buffers_bytes);
    if (report->store && report->store->replicas_failed + report->store->replicas_refused > 0)
        fprintf(out, "  The file is safe; the same put again, when those nodes are back, places what they lack.\n");
}

void print_put_failure(const struct sw_put_report *report, enum sw_status status, const char *message)
{
    char text[SW_KEY_BASE58_SIZE];

    /* Of one that was ended early there are others too, of which nobody knows. */
    const bool names = report && status == SW_SHORT;
    for (uint64_t i = 0; names && i < report->unplaced_sample_count; i++) {
        sw_key_to_base58(&report->unplaced_sample[i], text);
        print_error("symbol %s is on no node", text);
    }
    if (names && report->unplaced > report->unplaced_sample_count)
        print_error("and %llu more symbols are on no node", (u64)(report->unplaced - report->unplaced_sample_count));
    if (report && report->store && (status == SW_SHORT || status == SW_CANCELLED || status == SW_DEADLINE_EXCEEDED))
        print_error("%s; run this again for the rest, what is stored stays", message);
    else
        print_error("%s", message);
}

void print_get_summary(FILE *out, const struct sw_get_report *report, const char *file)
{
    char bytes[NUMBER_SIZE], rate[NUMBER_SIZE], elapsed[NUMBER_SIZE], decode[NUMBER_SIZE], check[NUMBER_SIZE];
    const bool done = report->status == SW_OK;
    char name[NAME_SIZE];

    file = printable(file, strlen(file), name, sizeof(name));
    if (report->already_there) {
        fprintf(out, "%s is there already, %s, and its hash is right: nothing was fetched\n", file,
                format_bytes(report->bytes, bytes));
        return;
    }
    fprintf(out, done ? "got %s: its hash is right\n" : "%s is not complete\n", file);
    fprintf(out, "  symbols       %llu source symbols: %llu symbols taken, %llu kept from before, %llu worked out\n",
            (u64)report->source_symbols, (u64)report->taken, (u64)report->kept, (u64)report->decoded);
    if (report->bad > 0)
        fprintf(out, "  bad files     %llu in the folder do not hash to their names\n", (u64)report->bad);
    if (report->dropped > 0)
        fprintf(out, "  damaged       %llu symbols in the workspace, dropped\n", (u64)report->dropped);
    if (done)
        fprintf(out, "  amount        %s in %s, %s\n", format_bytes(report->bytes, bytes),
                format_time(report->elapsed_us, elapsed), format_rate(report->bytes, report->elapsed_us, rate));
    fprintf(out, "  time          %s to fetch, ", format_time(report->fetch_us, elapsed));
    fprintf(out, "%s to decode, %s to check\n", format_time(report->decode_us, decode),
            format_time(report->check_us, check));
    if (report->retrieval)
        print_retrieval(out, report->retrieval);
    print_buffers(out, report->buffers_bytes);
}

/* Nodes that answered nothing at all; the last one's index in *which. */
static uint64_t count_unreachable(const struct sw_report *report, uint64_t *which)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < report->node_count; i++) {
        const struct sw_report_node *node = report->nodes[i];
        if (node->requests_failed == node->requests && node->found + node->missing + node->corrupt == 0) {
            count++;
            *which = i;
        }
    }
    return count;
}

static void print_unreachable(const struct sw_report *report, uint64_t count, uint64_t which)
{
    const struct sw_report_node *node = report->nodes[which];
    char why[200];

    print_error("none of the %llu nodes asked could be reached (%s at %s: %s); see that they run and that the node "
                "list has their addresses",
                (u64)count, node->id, node->address,
                printable(node->last_error, strlen(node->last_error), why, sizeof(why)));
}

/* Fewer symbols than required came. Where a request failed it is not known that its node lacks them. */
static void print_short(const struct sw_report *report, const char *folder)
{
    uint64_t which = 0, failed = 0;
    char text[SW_KEY_BASE58_SIZE] = "", why[200];

    if (report->node_count > 0 && count_unreachable(report, &which) == report->node_count) {
        print_unreachable(report, report->node_count, which);
        return;
    }
    for (uint64_t i = report->node_count; i-- > 0;) {
        if (report->nodes[i]->last_error[0] != '\0') {
            failed++;
            which = i;
        }
    }
    if (failed > 0) {
        const struct sw_report_node *node = report->nodes[which];
        print_error(
            "%llu of %llu required symbols are missing: %llu of the %llu nodes asked failed (%s at %s: %s), and "
            "the others lack them; run this again when those are back, what is in %s stays",
            (u64)report->missing, (u64)report->required, (u64)failed, (u64)report->node_count, node->id, node->address,
            printable(node->last_error, strlen(node->last_error), why, sizeof(why)), folder);
        return;
    }
    if (report->missing_sample_count > 0)
        sw_key_to_base58(&report->missing_sample[0], text);
    print_error("%llu of %llu required symbols are missing: every candidate was asked and lacks them%s%s; see that "
                "the keys are right and the node list is the one that they were stored with",
                (u64)report->missing, (u64)report->required, text[0] ? ", the first is " : "", text);
}

void print_fetch_failure(const struct sw_report *report, enum sw_status status, const char *message, const char *folder)
{
    char elapsed[NUMBER_SIZE];

    if (report && status == SW_SHORT)
        print_short(report, folder);
    else if (report && (status == SW_CANCELLED || status == SW_DEADLINE_EXCEEDED))
        print_error("%s after %s with %llu of %llu required symbols; run this again for the rest, what is in %s stays",
                    status == SW_CANCELLED ? "cancelled" : "the deadline passed",
                    format_time(report->elapsed_us, elapsed), (u64)(report->found_local + report->found_network),
                    (u64)report->required, folder);
    else
        print_error("%s", message);
}

void print_get_failure(const struct sw_get_report *report, enum sw_status status, const char *message, const char *file)
{
    const u64 there = report ? report->taken + report->kept - report->dropped : 0;
    uint64_t which = 0, unreachable = 0;
    char elapsed[NUMBER_SIZE];

    if (!report || (status != SW_SHORT && status != SW_CANCELLED && status != SW_DEADLINE_EXCEEDED)) {
        print_error("%s", message);
        return;
    }
    if (status != SW_SHORT) {
        print_error("%s after %s with %llu of %llu symbols; run this again for the rest, what is in %s.part stays",
                    status == SW_CANCELLED ? "cancelled" : "the deadline passed",
                    format_time(report->elapsed_us, elapsed), there, (u64)report->source_symbols, file);
        return;
    }
    if (report->retrieval)
        unreachable = count_unreachable(report->retrieval, &which);
    if (unreachable > 0 && unreachable == report->retrieval->node_count)
        print_unreachable(report->retrieval, unreachable, which);
    else
        print_error("%s; %llu symbols are there, at least %llu more are needed; run this again when more nodes or "
                    "symbols are back, what is in %s.part stays",
                    message, there, (u64)report->missing, file);
}
