/*
 * Reading layouts: strictly, since what a layout says decides how much is fetched and where it is written. Its numbers
 * are checked against each other before anything of their size is allocated.
 */
#include "client/files/file_io.h"
#include "client/files/layout.h"
#include "client/io/key_set.h"
#include "common/memory.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A layout opens five brackets, has 20 commas or so around its symbols, and each symbol takes at least these bytes. */
#define BRACKETS_MAX     8
#define COMMAS_MAX       32
#define SYMBOL_BYTES_MIN 34
/* A text as short as this cannot take much, and the parser has more to say of it. */
#define SKIM_BYTES_MIN 1024

#define FORM "; it must be as put writes it: {\"blocks\": [{\"block_id\": 0, ...}]}"

struct reading {
    const char *name;
    struct sw_error *error;
};

static enum sw_status wrong(const struct reading *reading, const char *where, const char *what)
{
    return sw_error_set(reading->error, SW_INVALID_ARGUMENT, "%s: %s: %s", reading->name, where, what);
}

/* Text of the layout's own, for an error: on one line, and harmless to a terminal. */
static const char *quoted(const char *text, char out[80])
{
    size_t i = 0;

    for (; text[i] != '\0' && i < 79; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    out[i] = '\0';
    return out;
}

/* Whether an object has these members and no others. */
static enum sw_status check_members(const struct reading *reading, json_t *object, const char *where,
                                    const char *const *members, size_t count)
{
    const char *key;
    json_t *value;
    char what[160];

    for (size_t i = 0; i < count; i++) {
        if (!json_object_get(object, members[i])) {
            snprintf(what, sizeof(what), "it has no member \"%s\"", members[i]);
            return wrong(reading, where, what);
        }
    }
    json_object_foreach(object, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known |= strcmp(key, members[i]) == 0;
        if (!known) {
            char text[80];
            snprintf(what, sizeof(what), "it has a member \"%s\" that no layout has", quoted(key, text));
            return wrong(reading, where, what);
        }
    }
    return SW_OK;
}

static enum sw_status check_number(const struct reading *reading, json_t *block, const char *member, uint64_t expected,
                                   const char *why)
{
    char where[64], what[160];
    json_t *value = json_object_get(block, member);

    if (json_is_integer(value) && json_integer_value(value) >= 0 && (uint64_t)json_integer_value(value) == expected)
        return SW_OK;
    snprintf(where, sizeof(where), "blocks[0].%s", member);
    if (json_is_integer(value))
        snprintf(what, sizeof(what), "it is %lld and must be %llu: %s", (long long)json_integer_value(value),
                 (unsigned long long)expected, why);
    else
        snprintf(what, sizeof(what), "it must be the number %llu", (unsigned long long)expected);
    return wrong(reading, where, what);
}

static enum sw_status read_params(const struct reading *reading, json_t *array, struct sw_raptorq_params *params)
{
    static const char where[] = "blocks[0].encoder_parameters";
    uint8_t oti[SW_RAPTORQ_OTI_BYTES];
    struct sw_error error;

    if (!json_is_array(array) || json_array_size(array) != sizeof(oti))
        return wrong(reading, where, "it must be an array of 12 numbers");
    for (size_t i = 0; i < sizeof(oti); i++) {
        json_t *value = json_array_get(array, i);
        if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > 255)
            return wrong(reading, where, "each of its numbers must be a byte, 0 to 255");
        oti[i] = (uint8_t)json_integer_value(value);
    }
    if (sw_raptorq_oti_read(oti, params, &error) != SW_OK)
        return wrong(reading, where, error.message);
    return SW_OK;
}

static enum sw_status read_key(const struct reading *reading, json_t *value, const char *where, struct sw_key *key)
{
    struct sw_error error;

    if (!json_is_string(value))
        return wrong(reading, where, "it must be a key in base58");
    if (sw_key_from_base58(json_string_value(value), json_string_length(value), key, &error) != SW_OK)
        return wrong(reading, where, error.message);
    return SW_OK;
}

/* Two symbols differ in their payload IDs at least, so their keys do. */
static enum sw_status check_distinct(const struct reading *reading, const struct sw_layout *layout)
{
    const size_t count = sw_layout_symbol_count(layout);
    struct sw_key *copy = NULL;
    uint32_t *index = NULL;
    size_t distinct = count, first = 0;
    char where[64];

    enum sw_status status = sw_keys_distinct(layout->keys, count, &copy, &index, &distinct, reading->error);
    if (status == SW_OK && distinct < count) {
        while (first < distinct && index[first] == first)
            first++;
        snprintf(where, sizeof(where), "blocks[0].symbols[%zu]", first);
        status = wrong(reading, where, "the same key stands before");
    }
    sw_free(copy);
    sw_free(index);
    return status;
}

static enum sw_status read_symbols(const struct reading *reading, json_t *array, struct sw_layout *layout)
{
    const uint64_t count = sw_layout_symbol_count(layout);
    enum sw_status status = SW_OK;
    char where[64], what[160];

    if (!json_is_array(array))
        return wrong(reading, "blocks[0].symbols", "it must be an array of keys");
    if (json_array_size(array) != count) {
        snprintf(what, sizeof(what), "there are %zu of them, and %llu in a file of %llu bytes with these parameters",
                 json_array_size(array), (unsigned long long)count, (unsigned long long)layout->params.bytes);
        return wrong(reading, "blocks[0].symbols", what);
    }
    layout->keys = sw_malloc(count * sizeof(*layout->keys));
    if (!layout->keys)
        return sw_error_set(reading->error, SW_NO_MEMORY, "%s: no memory for %llu keys", reading->name,
                            (unsigned long long)count);
    for (size_t i = 0; i < count && status == SW_OK; i++) {
        snprintf(where, sizeof(where), "blocks[0].symbols[%zu]", i);
        status = read_key(reading, json_array_get(array, i), where, &layout->keys[i]);
    }
    return status == SW_OK ? check_distinct(reading, layout) : status;
}

static enum sw_status read_block(const struct reading *reading, json_t *block, struct sw_layout *layout)
{
    static const char *const members[] = {"block_id", "encoder_parameters", "original_offset", "size", "symbols",
                                          "hash"};
    enum sw_status status = check_members(reading, block, "blocks[0]", members, sizeof(members) / sizeof(members[0]));

    if (status == SW_OK)
        status = check_number(reading, block, "block_id", 0, "a file is one block");
    if (status == SW_OK)
        status = check_number(reading, block, "original_offset", 0, "the block is the whole file");
    if (status == SW_OK)
        status = read_params(reading, json_object_get(block, "encoder_parameters"), &layout->params);
    if (status == SW_OK)
        status = check_number(reading, block, "size", layout->params.bytes, "encoder_parameters says so");
    if (status == SW_OK)
        status = read_key(reading, json_object_get(block, "hash"), "blocks[0].hash", &layout->hash);
    if (status != SW_OK)
        return status;
    sw_layout_count(layout);
    return read_symbols(reading, json_object_get(block, "symbols"), layout);
}

/* Takes the JSON over, which is NULL where there is none. */
static enum sw_status read_layout(const struct reading *reading, json_t *json, const json_error_t *fault,
                                  struct sw_layout **layout)
{
    static const char *const members[] = {"blocks"};
    struct sw_layout *made = NULL;
    enum sw_status status;

    char text[80];

    /* jansson has nothing to say where it is out of memory, as a rule. */
    if (!json && (json_error_code(fault) == json_error_out_of_memory || fault->text[0] == '\0'))
        return sw_error_set(reading->error, SW_NO_MEMORY, "%s: no memory to read it", reading->name);
    if (!json)
        return sw_error_set(reading->error, SW_INVALID_ARGUMENT, "%s:%d:%d: no JSON: %s" FORM, reading->name,
                            fault->line, fault->column, quoted(fault->text, text));
    json_t *blocks = json_object_get(json, "blocks");
    if (!json_is_object(json))
        status = wrong(reading, "the layout", "it is no object" FORM);
    else
        status = check_members(reading, json, "the layout", members, 1);
    if (status == SW_OK && (!json_is_array(blocks) || json_array_size(blocks) != 1))
        status = wrong(reading, "blocks", "it must be an array of one block: a layout is of one file");
    if (status == SW_OK && !json_is_object(json_array_get(blocks, 0)))
        status = wrong(reading, "blocks[0]", "it is no object" FORM);
    if (status == SW_OK && !(made = sw_calloc(1, sizeof(*made))))
        status = sw_error_set(reading->error, SW_NO_MEMORY, "%s: no memory to read it", reading->name);
    if (status == SW_OK)
        status = read_block(reading, json_array_get(blocks, 0), made);
    json_decref(json);
    if (status == SW_OK)
        *layout = made;
    else
        sw_layout_free(made);
    return status;
}

/*
 * A first look at the text as it passes by: jansson takes a hundred bytes for a bracket or a number, so that a text of
 * nothing else would take a hundred times its size. What it says of a text that is no JSON does not matter.
 */
struct skim {
    bool in_string, is_escaped;
    uint64_t brackets, commas, bytes;
};

/* Whether the text so far may be a layout's. */
static bool skim_over(struct skim *skim, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char c = text[i];
        if (skim->is_escaped) {
            skim->is_escaped = false;
        } else if (skim->in_string) {
            skim->is_escaped = c == '\\';
            skim->in_string = c != '"';
        } else {
            skim->in_string = c == '"';
            skim->brackets += c == '[' || c == '{';
            skim->commas += c == ',';
        }
    }
    skim->bytes += count;
    return skim->bytes <= SKIM_BYTES_MIN ||
           (skim->brackets <= BRACKETS_MAX && skim->commas <= COMMAS_MAX + skim->bytes / SYMBOL_BYTES_MIN);
}

static enum sw_status no_layout(const char *name, struct sw_error *error)
{
    return sw_error_set(error, SW_INVALID_ARGUMENT, "%s: it has more brackets or values than a layout" FORM, name);
}

enum sw_status sw_layout_parse(const char *text, size_t text_bytes, const char *name, struct sw_layout **layout,
                               struct sw_error *error)
{
    const struct reading reading = {name, error};
    json_error_t fault;

    *layout = NULL;
    if (text_bytes > SW_LAYOUT_FILE_BYTES_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s: it has %zu bytes, and no layout has more than %u", name,
                            text_bytes, SW_LAYOUT_FILE_BYTES_MAX);
    struct skim skim = {.bytes = 0};
    if (!skim_over(&skim, text, text_bytes))
        return no_layout(name, error);
    return read_layout(&reading, json_loadb(text, text_bytes, JSON_REJECT_DUPLICATES, &fault), &fault, layout);
}

/* A file that jansson is fed from. */
struct input {
    int fd;
    int code;      /* an errno, or 0 */
    bool is_other; /* no layout, by the skim */
    struct skim skim;
};

static size_t feed(void *buffer, size_t bytes, void *data)
{
    struct input *input = data;
    ssize_t count;

    do {
        count = read(input->fd, buffer, bytes);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        input->code = errno;
    else
        input->is_other = !skim_over(&input->skim, buffer, (size_t)count);
    return count < 0 || input->is_other ? (size_t)-1 : (size_t)count;
}

enum sw_status sw_layout_load(const char *path, struct sw_layout **layout, struct sw_error *error)
{
    const struct reading reading = {path, error};
    struct input input = {.code = 0};
    uint64_t bytes;
    json_error_t fault;

    *layout = NULL;
    enum sw_status status = sw_file_open(path, &input.fd, &bytes, error);
    if (status != SW_OK)
        return status;
    if (bytes > SW_LAYOUT_FILE_BYTES_MAX) {
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "%s: it has %llu bytes, and no layout has more than %u", path,
                              (unsigned long long)bytes, SW_LAYOUT_FILE_BYTES_MAX);
    } else {
        json_t *json = json_load_callback(feed, &input, JSON_REJECT_DUPLICATES, &fault);
        if (input.code != 0) {
            json_decref(json);
            status = sw_file_error(error, "read", path, input.code);
        } else if (input.is_other) {
            json_decref(json);
            status = no_layout(path, error);
        } else {
            status = read_layout(&reading, json, &fault, layout);
        }
    }
    close(input.fd);
    return status;
}
