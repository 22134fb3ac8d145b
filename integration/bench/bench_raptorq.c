/*
 * How fast the RaptorQ codec is on one thread, by source symbols, symbol size and instruction set. Prints a table.
 *
 *     bench_raptorq [ROUNDS]
 *     bench_raptorq K T
 *
 * "plan" is the time of the plan by itself, for decoding where a tenth of the source symbols are lost. The rates are MB
 * of source a second, the plan not counted: "encode" makes a tenth more symbols; "decode" brings back a lost tenth;
 * "repair" decodes from repair symbols alone. "all" is decode with its plan, once for a source block of whole symbols.
 * Where a block would be larger than BLOCK_BYTES only so many of its columns are run: all columns take the same.
 *
 * Each round measures everything once, so that what disturbs the machine disturbs all alike; medians are over the
 * rounds.
 *
 * With K and T: "ENCODE DECODE PATH", what "encode" and "decode" give with all that a source block takes that comes by
 * itself (plan, targets, working memory), at its full size, in sub-blocks as a file has them, on the best path.
 * raptorq.sh sets it beside another codec.
 */
#include "client/raptorq/gf256.h"
#include "symwave/raptorq.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX      101
#define BLOCK_BYTES     ((size_t)64 << 20)
#define SAMPLE_BYTES    ((size_t)64 << 20) /* as many runs as this takes are one sample */
#define CASE_SECONDS    0.3                /* a case by itself is run for so long at least */
#define SUB_BLOCK_BYTES ((size_t)10 << 20) /* and in sub-blocks of at most so many bytes */

static const uint32_t ks[] = {16, 101, 1000, 4096, 16384};
static const size_t symbol_sizes[] = {65528, 1280};

enum {
    PLAN,
    ENCODE,
    DECODE,
    REPAIR,
    ALL,
    FIGURES
};

struct row {
    uint32_t k;
    size_t symbol_bytes;
    enum sw_gf256_path path;
    double figures[FIGURES][ROUNDS_MAX];
};

/*
 * A source block: sub-block after sub-block its symbols' columns side by side, and room for K repair symbols and for
 * what is decoded. inputs and outputs are those of one sub-block.
 */
struct block {
    uint32_t k, lost_count; /* of every tenth */
    uint32_t inputs_count, outputs_count;
    size_t bytes; /* of a symbol in a sub-block */
    size_t sub_blocks;
    size_t step; /* from a sub-block to the next */
    uint8_t *source, *repair, *decoded;
    uint32_t *esis, *lost;
    const uint8_t **inputs;
    uint8_t **outputs;
};

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *room(size_t bytes)
{
    void *memory = malloc(bytes);

    if (memory == NULL) {
        fprintf(stderr, "no memory\n");
        exit(3);
    }
    memset(memory, 1, bytes);
    return memory;
}

static void must(enum sw_status status, const char *what)
{
    if (status != SW_OK) {
        fprintf(stderr, "%s: %d\n", what, (int)status);
        exit(1);
    }
}

static struct block begin(uint32_t k, size_t bytes, size_t sub_blocks)
{
    struct block block = {.k = k, .lost_count = (k + 9) / 10, .bytes = bytes, .sub_blocks = sub_blocks};
    size_t all;

    block.step = (k + 8) * bytes;
    all = block.step * sub_blocks;
    block.source = room(all);
    block.repair = room(all);
    block.decoded = room(all);
    block.esis = room((k + 8) * sizeof(*block.esis));
    block.lost = room(k * sizeof(*block.lost));
    block.inputs = room((k + 8) * sizeof(*block.inputs));
    block.outputs = room((k + 8) * sizeof(*block.outputs));
    for (size_t i = 0; i < all; i++)
        block.source[i] = (uint8_t)(i * 2654435761u >> 24);
    return block;
}

static void end(struct block *block)
{
    free(block->source);
    free(block->repair);
    free(block->decoded);
    free(block->esis);
    free(block->lost);
    free(block->inputs);
    free(block->outputs);
}

/* Seconds of one run. */
static double run(struct block *block, const struct sw_raptorq_plan *plan, const struct sw_raptorq_targets *targets)
{
    void *work = room(sw_raptorq_run_bytes(plan, block->bytes));
    const size_t runs = SAMPLE_BYTES / (block->k * block->bytes) + 1;
    double start = now();

    for (size_t i = 0; i < runs; i++)
        sw_raptorq_run(plan, targets, block->bytes, block->inputs, block->outputs, work);
    start = now() - start;
    free(work);
    return start / (double)runs;
}

static void set_up_encode(struct block *block)
{
    block->inputs_count = block->k;
    block->outputs_count = block->k + 8;
    for (uint32_t i = 0; i < block->k; i++)
        block->inputs[i] = block->source + i * block->bytes;
    for (uint32_t i = 0; i < block->k + 8; i++) {
        block->esis[i] = block->k + i;
        block->outputs[i] = block->repair + i * block->bytes;
    }
}

/* Makes all repair symbols that are needed later, and then a tenth for the clock. */
static double encode(struct block *block)
{
    struct sw_raptorq_plan *plan;
    struct sw_raptorq_targets *targets;
    double seconds = 0;

    must(sw_raptorq_plan_new_encoder(block->k, &plan), "plan");
    set_up_encode(block);
    for (int timed = 0; timed < 2; timed++) {
        must(sw_raptorq_targets_new(plan, block->esis, timed ? block->lost_count : block->k + 8, &targets), "targets");
        seconds = run(block, plan, targets);
        sw_raptorq_targets_free(targets);
    }
    sw_raptorq_plan_free(plan);
    return seconds;
}

/* Loses every tenth source symbol or all, and takes repair symbols for them. Gives the plan, and how many are lost. */
static struct sw_raptorq_plan *set_up_decode(struct block *block, bool lose_all, uint32_t *lost_count,
                                             double *plan_seconds)
{
    uint32_t count = 0, repair = 0;
    struct sw_raptorq_plan *plan = NULL;

    *lost_count = 0;
    for (uint32_t esi = 0; esi < block->k; esi++) {
        if (lose_all || esi % 10 == 0) {
            block->outputs[*lost_count] = block->decoded + esi * block->bytes;
            block->lost[(*lost_count)++] = esi;
        } else {
            block->inputs[count] = block->source + esi * block->bytes;
            block->esis[count++] = esi;
        }
    }
    while (plan == NULL && repair < block->k + 8) {
        block->inputs[count] = block->repair + repair * block->bytes;
        block->esis[count++] = block->k + repair++;
        if (count < block->k)
            continue;
        *plan_seconds = now();
        if (sw_raptorq_plan_new(block->k, block->esis, count, &plan, NULL) == SW_NO_MEMORY)
            must(SW_NO_MEMORY, "plan");
        *plan_seconds = now() - *plan_seconds;
    }
    must(plan != NULL ? SW_OK : SW_SHORT, "plan");
    block->inputs_count = count;
    block->outputs_count = *lost_count;
    return plan;
}

static void check(const struct block *block, uint32_t lost_count, size_t sub_block)
{
    const uint8_t *source = block->source + sub_block * block->step;

    for (uint32_t i = 0; i < lost_count; i++) {
        if (memcmp(block->outputs[i], source + block->lost[i] * block->bytes, block->bytes) != 0)
            must(SW_DATA_LOSS, "decoded");
    }
}

static double decode(struct block *block, bool lose_all, double *plan_seconds)
{
    uint32_t lost_count;
    struct sw_raptorq_plan *plan = set_up_decode(block, lose_all, &lost_count, plan_seconds);
    struct sw_raptorq_targets *targets;
    double seconds;

    must(sw_raptorq_targets_new(plan, block->lost, lost_count, &targets), "targets");
    seconds = run(block, plan, targets);
    check(block, lost_count, 0);
    sw_raptorq_targets_free(targets);
    sw_raptorq_plan_free(plan);
    return seconds;
}

static void measure(struct row *row, int round)
{
    const size_t columns_max = BLOCK_BYTES / row->k / 64 * 64;
    struct block block = begin(row->k, row->symbol_bytes < columns_max ? row->symbol_bytes : columns_max, 1);
    const double mb = (double)row->k * (double)block.bytes * 1e-6;
    double plan_seconds, ignored, seconds;

    sw_gf256_path_force(row->path);
    row->figures[ENCODE][round] = mb / encode(&block);
    seconds = decode(&block, false, &plan_seconds);
    row->figures[PLAN][round] = plan_seconds * 1e3;
    row->figures[DECODE][round] = mb / seconds;
    row->figures[ALL][round] = (double)row->k * (double)row->symbol_bytes * 1e-6 /
                               (seconds * (double)row->symbol_bytes / (double)block.bytes + plan_seconds);
    row->figures[REPAIR][round] = mb / decode(&block, true, &ignored);
    end(&block);
}

/* Goes to another sub-block. */
static void move(struct block *block, ptrdiff_t bytes)
{
    for (uint32_t i = 0; i < block->inputs_count; i++)
        block->inputs[i] += bytes;
    for (uint32_t i = 0; i < block->outputs_count; i++)
        block->outputs[i] += bytes;
}

/* Runs a plan for some symbols over all sub-blocks. */
static void run_all(struct block *block, const struct sw_raptorq_plan *plan, const uint32_t *esis, uint32_t count)
{
    struct sw_raptorq_targets *targets;
    void *work = malloc(sw_raptorq_run_bytes(plan, block->bytes));

    must(work != NULL ? SW_OK : SW_NO_MEMORY, "work");
    must(sw_raptorq_targets_new(plan, esis, count, &targets), "targets");
    for (size_t i = 0; i < block->sub_blocks; i++) {
        sw_raptorq_run(plan, targets, block->bytes, block->inputs, block->outputs, work);
        move(block, (ptrdiff_t)block->step);
    }
    move(block, -(ptrdiff_t)(block->step * block->sub_blocks));
    sw_raptorq_targets_free(targets);
    free(work);
}

/* Seconds of a source block from the beginning to the end, the mean of some: encoded, or decoded, a tenth of it. */
static double whole(struct block *block, bool encodes)
{
    const uint32_t *esis = encodes ? block->esis : block->lost;
    double start = now(), seconds;
    int runs = 0;

    do {
        struct sw_raptorq_plan *plan;

        must(encodes ? sw_raptorq_plan_new_encoder(block->k, &plan)
                     : sw_raptorq_plan_new(block->k, block->esis, block->inputs_count, &plan, NULL),
             "plan");
        run_all(block, plan, esis, block->lost_count);
        sw_raptorq_plan_free(plan);
        runs++;
        seconds = now() - start;
    } while (seconds < CASE_SECONDS);
    return seconds / runs;
}

static void measure_case(uint32_t k, size_t symbol_bytes)
{
    const size_t sub_blocks = (k * symbol_bytes + SUB_BLOCK_BYTES - 1) / SUB_BLOCK_BYTES;
    /* All as wide as the widest, so that a little more is done than is counted. */
    struct block block = begin(k, (symbol_bytes + sub_blocks - 1) / sub_blocks, sub_blocks);
    const double mb = (double)k * (double)symbol_bytes * 1e-6;
    struct sw_raptorq_plan *plan;
    double encode_seconds, plan_seconds;
    uint32_t lost_count;

    must(sw_raptorq_plan_new_encoder(k, &plan), "plan");
    set_up_encode(&block);
    run_all(&block, plan, block.esis, k + 8);
    sw_raptorq_plan_free(plan);
    encode_seconds = whole(&block, true);
    sw_raptorq_plan_free(set_up_decode(&block, false, &lost_count, &plan_seconds));
    printf("%.1f %.1f %s\n", mb / encode_seconds, mb / whole(&block, false),
           sw_gf256_path_name(sw_gf256_path_current()));
    for (size_t i = 0; i < sub_blocks; i++) {
        check(&block, lost_count, i);
        move(&block, (ptrdiff_t)block.step);
    }
    end(&block);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static struct row
        rows[sizeof(ks) / sizeof(ks[0]) * sizeof(symbol_sizes) / sizeof(symbol_sizes[0]) * SW_GF256_PATHS];
    const int rounds = argc > 1 ? atoi(argv[1]) : 5;
    size_t count = 0;

    if (argc == 3 && atoi(argv[1]) >= 1 && atoi(argv[1]) <= SW_RAPTORQ_K_MAX && atoi(argv[2]) >= 1) {
        measure_case((uint32_t)atoi(argv[1]), (size_t)atoi(argv[2]));
        return 0;
    }
    if (argc > 2 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_raptorq [ROUNDS], 1 to %d, or bench_raptorq K T\n", ROUNDS_MAX);
        return 2;
    }
    for (size_t s = 0; s < sizeof(symbol_sizes) / sizeof(symbol_sizes[0]); s++) {
        for (int path = SW_GF256_PATHS - 1; path >= 0; path--) {
            for (size_t i = 0; i < sizeof(ks) / sizeof(ks[0]) && sw_gf256_path_supported((enum sw_gf256_path)path); i++)
                rows[count++] =
                    (struct row){.k = ks[i], .symbol_bytes = symbol_sizes[s], .path = (enum sw_gf256_path)path};
        }
    }
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++)
            measure(&rows[i], round);
    }
    printf("%8s %6s %-9s %9s %8s %8s %8s %8s\n", "K", "T", "path", "plan ms", "encode", "decode", "repair", "all");
    for (size_t i = 0; i < count; i++) {
        double median[FIGURES];

        for (int f = 0; f < FIGURES; f++) {
            qsort(rows[i].figures[f], (size_t)rounds, sizeof(double), compare);
            median[f] = rows[i].figures[f][rounds / 2];
        }
        printf("%8u %6zu %-9s %9.3f %8.0f %8.0f %8.0f %8.0f\n", rows[i].k, rows[i].symbol_bytes,
               sw_gf256_path_name(rows[i].path), median[PLAN], median[ENCODE], median[DECODE], median[REPAIR],
               median[ALL]);
    }
    return 0;
}
