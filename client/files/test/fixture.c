#include "client/files/test/fixture.h"
#include "client/files/block_encoder.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those above. */
#include <cmocka.h>

#define PATHS 8

static char base[64]; /* a folder of each test's own */
static size_t descriptors;

/* ---- the test's folder ---- */

size_t count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t count = 0;

    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static void remove_tree(const char *name)
{
    char command[256];

    snprintf(command, sizeof(command), "rm -rf '%s'", name);
    assert_int_equal(system(command), 0);
}

int fixture_setup(void **state)
{
    (void)state;
    descriptors = count_files("/proc/self/fd");
    strcpy(base, "/tmp/symwave-files-XXXXXX");
    return mkdtemp(base) ? 0 : -1;
}

int fixture_teardown(void **state)
{
    (void)state;
    remove_tree(base);
    if (count_files("/proc/self/fd") == descriptors)
        return 0;
    print_error("a descriptor is left open\n");
    return -1;
}

void seed_from_environment(unsigned seed)
{
    const char *text = getenv("SYMWAVE_SEED");

    if (text)
        seed = (unsigned)strtoul(text, NULL, 0);
    printf("SYMWAVE_SEED=%u\n", seed);
    srand(seed);
}

/* ---- files ---- */

const char *path_of(const char *name)
{
    static char paths[PATHS][256];
    static unsigned next;
    char *path = paths[next++ % PATHS];

    snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
    return path;
}

bool exists(const char *path)
{
    struct stat facts;

    return lstat(path, &facts) == 0;
}

void write_file(const char *path, const void *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd < 0 || write(fd, bytes, count) != (ssize_t)count)
        fail_msg("cannot write %s", path);
    close(fd);
}

uint8_t *read_file(const char *path, size_t *count)
{
    struct stat facts;
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        fail_msg("cannot read %s", path);
    assert_int_equal(fstat(fd, &facts), 0);
    uint8_t *bytes = malloc((size_t)facts.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)facts.st_size), facts.st_size);
    bytes[facts.st_size] = '\0';
    *count = (size_t)facts.st_size;
    close(fd);
    return bytes;
}

void assert_file(const char *path, const void *bytes, size_t count)
{
    size_t found;
    uint8_t *text = read_file(path, &found);

    assert_int_equal(found, count);
    assert_memory_equal(text, bytes, count);
    free(text);
}

void flip_byte(const char *path, uint64_t offset)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

/* ---- objects ---- */

struct sw_raptorq_params put_params(size_t bytes)
{
    struct sw_raptorq_params params;

    assert_int_equal(sw_raptorq_params_derive(bytes, NULL, &params, NULL), SW_OK);
    return params;
}

/* Makes a block's symbols, and adds all of its keys to the layout. */
static void make_block(struct object *object, struct sw_block_encoder *encoder, struct sw_layout_writer *writer,
                       uint32_t sbn, uint32_t made_max)
{
    const uint32_t all = sw_raptorq_block_at(&object->params, sbn).k + sw_layout_repair_count(&object->params, sbn);

    object->made[sbn] = all < made_max ? all : made_max;
    object->symbols[sbn] = malloc(object->made[sbn] * object->symbol_bytes);
    assert_non_null(object->symbols[sbn]);
    for (uint32_t esi = 0; esi < all; esi++) {
        const uint32_t number[2] = {sbn, esi};
        struct sw_key key = sw_key_of_value(number, sizeof(number));
        if (esi < object->made[sbn]) {
            uint8_t *symbol = object_symbol(object, sbn, esi);
            assert_int_equal(sw_block_encoder_make(encoder, esi, symbol, NULL), SW_OK);
            key = sw_key_of_value(symbol, object->symbol_bytes);
        }
        assert_int_equal(sw_layout_writer_add(writer, &key, NULL), SW_OK);
    }
}

void object_make(struct object *object, const struct sw_raptorq_params *params, uint32_t made_max)
{
    const char *layout_path = path_of("layout.json"), *input_path = path_of("input");
    struct sw_layout_writer *writer;
    struct sw_block_encoder *encoder;
    struct sw_job job;

    memset(object, 0, sizeof(*object));
    object->params = *params;
    assert_int_equal(sw_raptorq_params_check(params, NULL), SW_OK);
    object->symbol_bytes = SW_RAPTORQ_PAYLOAD_ID_BYTES + params->symbol_bytes;
    object->bytes = malloc(params->bytes);
    assert_non_null(object->bytes);
    for (size_t i = 0; i < params->bytes; i++)
        object->bytes[i] = (uint8_t)(rand() >> 8);
    write_file(input_path, object->bytes, params->bytes);
    sw_job_start(&job, NULL);
    int fd = open(input_path, O_RDONLY);
    assert_int_equal(sw_layout_writer_open(layout_path, params, &writer, NULL), SW_OK);
    assert_int_equal(sw_block_encoder_open(fd, input_path, layout_path, params, &encoder, NULL), SW_OK);
    for (uint32_t sbn = 0; sbn < params->blocks; sbn++) {
        assert_int_equal(sw_block_encoder_next(encoder, &job, NULL), SW_OK);
        make_block(object, encoder, writer, sbn, made_max);
    }
    const struct sw_key hash = sw_block_encoder_hash(encoder), same = sw_key_of_value(object->bytes, params->bytes);
    assert_memory_equal(&hash, &same, sizeof(hash));
    assert_int_equal(sw_layout_writer_finish(writer, &hash, NULL), SW_OK);
    sw_layout_writer_close(writer);
    sw_block_encoder_close(encoder);
    close(fd);
    struct sw_error error;
    if (sw_layout_load(layout_path, &object->layout, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_int_equal(mkdir(path_of("symbols"), 0777), 0);
}

void object_clear(struct object *object)
{
    sw_layout_free(object->layout);
    free(object->bytes);
    for (uint32_t sbn = 0; sbn < object->params.blocks; sbn++)
        free(object->symbols[sbn]);
}

uint8_t *object_symbol(const struct object *object, uint32_t sbn, uint32_t esi)
{
    assert_true(sbn < object->params.blocks && esi < object->made[sbn]);
    return object->symbols[sbn] + esi * object->symbol_bytes;
}

const struct sw_key *object_key(const struct object *object, uint32_t sbn, uint32_t esi)
{
    return &sw_layout_block_at(object->layout, sbn).keys[esi];
}

const char *object_path(const struct object *object, uint32_t sbn, uint32_t esi)
{
    char name[sizeof("symbols/") + SW_KEY_BASE58_SIZE] = "symbols/";

    sw_key_to_base58(object_key(object, sbn, esi), name + strlen(name));
    return path_of(name);
}

void give(const struct object *object, uint32_t sbn, uint32_t esi)
{
    write_file(object_path(object, sbn, esi), object_symbol(object, sbn, esi), object->symbol_bytes);
}

void give_range(const struct object *object, uint32_t sbn, uint32_t first, uint32_t last)
{
    for (uint32_t esi = first; esi < last; esi++)
        give(object, sbn, esi);
}

void give_random(const struct object *object, uint32_t sbn, uint32_t first, uint32_t last, uint32_t count)
{
    uint32_t *order = malloc((last - first + 1) * sizeof(*order)), found = 0;

    assert_non_null(order);
    for (uint32_t esi = first; esi < last; esi++) {
        if (exists(object_path(object, sbn, esi)))
            continue;
        const uint32_t place = (uint32_t)rand() % (found + 1);
        order[found++] = order[place];
        order[place] = esi;
    }
    assert_true(count <= found);
    for (uint32_t i = 0; i < count; i++)
        give(object, sbn, order[i]);
    free(order);
}

/* ---- decoding ---- */

struct sw_get_report decode(const struct sw_layout *layout, const struct sw_file_options *options,
                            enum sw_status expected, const char *said)
{
    struct sw_error error = {0};
    struct sw_get_report *report = NULL;

    enum sw_status status = sw_decode_file(layout, path_of("symbols"), path_of("out"), options, &report, &error);
    if (expected != ANY_STATUS && status != expected)
        fail_msg("expected \"%s\", got \"%s\": %s", sw_status_name(expected), sw_status_name(status), error.message);
    assert_int_equal(error.status, status);
    if (status != SW_OK && said && !strstr(error.message, said))
        fail_msg("expected \"%s\" in the message, got \"%s\"", said, error.message);
    assert_non_null(report);
    assert_int_equal(report->status, status);
    assert_null(report->retrieval);
    const struct sw_get_report copy = *report;
    sw_get_report_free(report);
    return copy;
}

void assert_done(const struct object *object)
{
    assert_file(path_of("out"), object->bytes, object->params.bytes);
    assert_false(exists(path_of("out.part")));
    assert_false(exists(path_of("out.part.journal")));
}

void empty_symbols(void)
{
    remove_tree(path_of("symbols"));
    assert_int_equal(mkdir(path_of("symbols"), 0777), 0);
}

void begin_again(void)
{
    unlink(path_of("out"));
    unlink(path_of("out.part"));
    unlink(path_of("out.part.journal"));
    empty_symbols();
}
