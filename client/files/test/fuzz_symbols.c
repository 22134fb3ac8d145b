/*
 * Fuzz target: a small file of any parameters, symbols of it that are right, missing, wrong or of another length, under
 * a layout that names what they hash to, and several runs of a rebuild, between which its workspace is damaged. A file
 * that comes out is the layout's, and none comes out otherwise; where all symbols are right and enough, the last run
 * gives it. Nothing is left open.
 */
#include "client/files/block_encoder.h"
#include "client/files/journal.h"
#include "client/files/rebuild.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KINDS 8 /* of symbols: most of them are right */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct value {
    uint8_t *bytes; /* NULL: it cannot be had */
    size_t count;
};

struct world {
    const uint8_t *data, *end;
    struct sw_layout layout;
    uint8_t *object;
    struct value *values; /* by the index of their keys */
    bool good;            /* all that can be had is right */
    uint32_t left;        /* how many symbols this run may still bring */
    uint32_t step;        /* which of them first */
};

static char folder[64], input_path[80], out_path[80], part_path[80], journal_path[96];

static void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static uint8_t next(struct world *world)
{
    return world->data < world->end ? *world->data++ : 0;
}

static uint32_t next_wide(struct world *world)
{
    const uint32_t high = next(world);

    return high << 8 | next(world);
}

/* ---- the folder ---- */

static void remove_folder(void)
{
    unlink(input_path);
    unlink(out_path);
    unlink(part_path);
    unlink(journal_path);
    rmdir(folder);
}

static void make_folder(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");

    if (folder[0] != '\0')
        return;
    snprintf(folder, sizeof(folder), "%.40s/symwave-fuzz-XXXXXX", base ? base : "/tmp");
    must(mkdtemp(folder) != NULL, "no folder");
    snprintf(input_path, sizeof(input_path), "%s/input", folder);
    snprintf(out_path, sizeof(out_path), "%s/out", folder);
    snprintf(part_path, sizeof(part_path), "%s.part", out_path);
    snprintf(journal_path, sizeof(journal_path), "%s.journal", part_path);
    atexit(remove_folder);
}

/* ---- the file and its symbols ---- */

static void choose_params(struct world *world, struct sw_raptorq_params *params)
{
    params->alignment = 1 + next(world) % 4;
    params->symbol_bytes = params->alignment * (1 + next(world) % 16);
    const uint32_t units = params->symbol_bytes / params->alignment, symbols = 1 + next(world) % 40;
    params->sub_blocks = 1 + next(world) % (units < 5 ? units : 5);
    params->blocks = 1 + next(world) % (symbols < 3 ? symbols : 3);
    params->bytes = (uint64_t)symbols * params->symbol_bytes - next(world) % params->symbol_bytes;
    must(sw_raptorq_params_check(params, NULL) == SW_OK, "bad parameters");
}

/* Makes of a right symbol what is to be had of it. */
static struct value choose_value(struct world *world, uint8_t *symbol, size_t count)
{
    const size_t at = next(world) % KINDS;

    switch (at) {
    case KINDS - 1: /* any bytes, a wrong number maybe */
        symbol[next_wide(world) % count] ^= (uint8_t)(1 + next(world) % 255);
        world->good = false;
        break;
    case KINDS - 2:
        count = next_wide(world) % (count + 3);
        symbol = realloc(symbol, count + 1);
        must(symbol != NULL, "no memory");
        world->good = false;
        break;
    case KINDS - 3:
        free(symbol);
        return (struct value){NULL, 0};
    default:
        break;
    }
    return (struct value){symbol, count};
}

static void make_values(struct world *world, struct sw_block_encoder *encoder, struct sw_job *job)
{
    const size_t count = sw_block_encoder_symbol_bytes(encoder);

    for (uint32_t sbn = 0; sbn < world->layout.params.blocks; sbn++) {
        must(sw_block_encoder_next(encoder, job, NULL) == SW_OK, "no block");
        for (uint64_t i = world->layout.first[sbn]; i < world->layout.first[sbn + 1]; i++) {
            uint8_t *symbol = calloc(1, count + 4); /* room for a longer one */
            must(symbol != NULL, "no memory");
            must(sw_block_encoder_make(encoder, (uint32_t)(i - world->layout.first[sbn]), symbol, NULL) == SW_OK,
                 "no symbol");
            world->layout.keys[i] = sw_key_of_value(symbol, count);
            struct value *value = &world->values[i];
            *value = choose_value(world, symbol, count);
            if (value->bytes)
                world->layout.keys[i] = sw_key_of_value(value->bytes, value->count);
        }
    }
}

static void make_object(struct world *world)
{
    const struct sw_raptorq_params *params = &world->layout.params;
    struct sw_block_encoder *encoder;
    struct sw_job job;

    world->object = malloc(params->bytes);
    must(world->object != NULL, "no memory");
    for (size_t i = 0; i < params->bytes; i++)
        world->object[i] = (uint8_t)(i * i * 31 + i / 7);
    int fd = open(input_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(write(fd, world->object, params->bytes) == (ssize_t)params->bytes, "no input");
    sw_layout_count(&world->layout);
    world->layout.keys = malloc(sw_layout_symbol_count(&world->layout) * sizeof(*world->layout.keys));
    world->values = calloc(sw_layout_symbol_count(&world->layout), sizeof(*world->values));
    must(world->layout.keys != NULL && world->values != NULL, "no memory");
    sw_job_start(&job, NULL);
    must(sw_block_encoder_open(fd, input_path, input_path, params, &encoder, NULL) == SW_OK, "no encoder");
    make_values(world, encoder, &job);
    world->layout.hash = sw_block_encoder_hash(encoder);
    sw_block_encoder_close(encoder);
    close(fd);
}

/* Whether all that can be had determines the file, by the codec's own word. */
static bool is_determined(const struct world *world)
{
    bool determined = true;

    for (uint32_t sbn = 0; sbn < world->layout.params.blocks; sbn++) {
        const struct sw_layout_block block = sw_layout_block_at(&world->layout, sbn);
        struct sw_raptorq_decoder *decoder;
        must(sw_raptorq_decoder_new(block.k, &decoder) == SW_OK, "no decoder");
        for (uint32_t esi = 0; esi < block.k + block.repair; esi++)
            if (world->values[world->layout.first[sbn] + esi].bytes)
                sw_raptorq_decoder_add(decoder, esi, NULL);
        determined = determined && sw_raptorq_decoder_check(decoder, NULL) == SW_OK;
        sw_raptorq_decoder_free(decoder);
    }
    return determined;
}

/* ---- runs ---- */

static enum sw_status fetch(struct sw_rebuild *rebuild, void *user_data, struct sw_error *error)
{
    struct world *world = user_data;
    enum sw_status status = SW_OK;
    uint32_t missing = 1;
    size_t count;
    uint32_t *wanted = sw_rebuild_wanted(rebuild, &count);

    must(wanted != NULL, "no memory");
    for (size_t i = 0; i < count && status == SW_OK && missing > 0 && world->left > 0; i++, world->left--) {
        /* A step that has no factor in common with the count meets each of them once. */
        const uint32_t esi = wanted[count % world->step ? i * world->step % count : i];
        const struct value *value = &world->values[world->layout.first[rebuild->sbn] + esi];
        if (!value->bytes)
            continue;
        status = sw_rebuild_take(rebuild, esi, value->bytes, value->count, error);
        if (status == SW_OK)
            status = sw_rebuild_missing(rebuild, &missing, error);
    }
    free(wanted);
    return status == SW_OK && missing > 0 ? sw_error_set(error, SW_SHORT, "no more of them") : status;
}

static void check_file(const struct world *world, bool there)
{
    const size_t count = world->layout.params.bytes;
    uint8_t *bytes = malloc(count + 1);

    must(bytes != NULL, "no memory");
    int fd = open(out_path, O_RDONLY | O_CLOEXEC);
    must((fd >= 0) == there, there ? "no file in the end" : "a file that there should not be");
    if (fd >= 0) {
        must(read(fd, bytes, count + 1) == (ssize_t)count, "a file of another size");
        const struct sw_key hash = sw_key_of_value(bytes, count);
        must(sw_key_compare(&hash, &world->layout.hash) == 0, "a wrong file");
        must(access(part_path, F_OK) != 0 && access(journal_path, F_OK) != 0, "a workspace that was left");
        close(fd);
    }
    free(bytes);
}

static enum sw_status run(struct world *world, bool hash_is_right)
{
    static const uint32_t steps[] = {1, 3, 7, 11};
    struct sw_get_report *report = NULL;
    struct sw_error error = {0};

    world->step = steps[next(world) % 4];
    enum sw_status status = sw_rebuild_file(&world->layout, out_path, NULL, fetch, world, &report, &error);
    must(report != NULL && report->status == status, "a wrong report");
    must(status == SW_OK || status == SW_SHORT || status == SW_DATA_LOSS, "a failure of another kind");
    must(status == SW_OK || (error.status == status && error.message[0] != '\0'), "an error that says nothing");
    must(status != SW_DATA_LOSS || !world->good || !hash_is_right, "data loss where all is right");
    check_file(world, status == SW_OK);
    sw_get_report_free(report);
    return status;
}

/* ---- between runs ---- */

static bool refuse_none(const struct sw_journal_record *record, void *user_data)
{
    (void)record;
    (void)user_data;
    return true;
}

/* Records of any numbers, with good checksums, behind those that are there. */
static void add_records(struct world *world)
{
    const struct sw_key id = sw_layout_id(&world->layout);
    struct sw_journal *journal;
    bool kept;

    must(sw_journal_open(journal_path, &id, false, refuse_none, NULL, &journal, &kept, NULL) == SW_OK, "no journal");
    for (uint32_t count = next(world) % 16; count > 0; count--) {
        struct sw_journal_record record = {.symbol = (uint32_t)next(world) % 4 << 24 | next(world) % 64};
        record.slot = next(world);
        if (record.slot == 0xff)
            record.slot = SW_JOURNAL_NO_SLOT;
        must(sw_journal_add(journal, &record, NULL) == SW_OK, "no record");
    }
    sw_journal_close(journal, false);
}

/* Changes, cuts or lengthens a file behind its first bytes. */
static void harm(struct world *world, const char *path, size_t least)
{
    struct stat facts;
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return;
    must(fstat(fd, &facts) == 0, "no facts");
    const size_t at = least + next_wide(world) % ((size_t)facts.st_size + 1);
    if (next(world) % 2 == 0 && pread(fd, &byte, 1, (off_t)at) == 1) {
        byte ^= (uint8_t)(1 + next(world) % 255);
        must(pwrite(fd, &byte, 1, (off_t)at) == 1, "no write");
    } else {
        must(ftruncate(fd, (off_t)at) == 0, "no cut");
    }
    close(fd);
}

static void meddle(struct world *world)
{
    for (uint32_t count = next(world) % 4; count > 0; count--) {
        switch (next(world) % 4) {
        case 0:
            /* A journal where there is no workspace is not looked at. */
            if (access(part_path, F_OK) == 0)
                add_records(world);
            break;
        case 1:
            harm(world, journal_path, 32);
            break;
        default:
            harm(world, part_path, 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.data = data, .end = data + size, .good = true};
    enum sw_status status = SW_SHORT;

    make_folder();
    const int first_free = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(first_free);
    choose_params(&world, &world.layout.params);
    make_object(&world);
    const bool hash_is_right = next(&world) % 8 != 7;
    world.layout.hash.bytes[5] ^= !hash_is_right;
    for (uint32_t runs = next(&world) % 4; runs > 0 && status != SW_OK; runs--) {
        world.left = next(&world);
        status = run(&world, hash_is_right);
        if (status != SW_OK)
            meddle(&world);
    }
    world.left = UINT32_MAX;
    if (status != SW_OK)
        status = run(&world, hash_is_right);
    must(status == SW_OK || !hash_is_right || !world.good || !is_determined(&world), "it is not rebuilt");
    must(status != SW_OK || hash_is_right, "a file that the layout does not know");
    for (uint64_t i = 0; i < sw_layout_symbol_count(&world.layout); i++)
        free(world.values[i].bytes);
    free(world.values);
    free(world.layout.keys);
    free(world.object);
    unlink(out_path);
    unlink(part_path);
    unlink(journal_path);
    const int still_free = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(still_free);
    must(still_free == first_free, "a descriptor is left open");
    return 0;
}
