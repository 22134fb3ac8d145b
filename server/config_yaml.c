/*
 * The configuration from a YAML file: one mapping, whose keys are those of the table. libcyaml loads it; but its marks
 * are those of what it last understood, so the file is first walked with libyaml, event by event, which finds the exact
 * place of what does not fit, and keeps the place of each value for what is wrong with that. Aliases are refused, so
 * nothing expands.
 */
#include "server/config_keys.h"
#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

/* No configuration is larger. */
#define FILE_BYTES_MAX ((size_t)1 << 20)

/* ---- the walk ---- */

struct walk {
    const char *name;   /* of the file */
    yaml_mark_t *marks; /* of each key's value; line 0 is the first, so seen says whether there is one */
    bool *seen;
    const struct config_key *key; /* whose value is next; NULL: a key is */
    int depth;                    /* 0 outside, 1 in the mapping, 2 in a list */
    size_t items;                 /* of the list so far */
    struct sw_error *error;
};

static SW_PRINTF(3, 4) enum sw_status refuse(struct walk *walk, const yaml_mark_t *mark, const char *format, ...)
{
    char text[SW_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return sw_error_set(walk->error, SW_INVALID_ARGUMENT, "%.200s:%zu:%zu: %s", walk->name, mark->line + 1,
                        mark->column + 1, text);
}

/* How many letters must be added, left out or changed to make one name of the other. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], length = strlen(b);
    if (length >= sizeof(row) / sizeof(row[0]))
        return SIZE_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t change = corner + (a[i] != b[j]);
            corner = row[j + 1];
            size_t least = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;
            row[j + 1] = change < least ? change : least;
        }
    }
    return row[length];
}

static const char *nearest_name(const char *name)
{
    size_t best = 4; /* further off it is another word */
    const char *nearest = NULL;
    for (size_t i = 0; i < sw_config_key_count; i++) {
        size_t letters = distance(name, sw_config_keys[i].name);
        if (letters < best) {
            best = letters;
            nearest = sw_config_keys[i].name;
        }
    }
    return nearest;
}

static enum sw_status walk_key(struct walk *walk, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.scalar.value;
    walk->key = sw_config_key(name);
    if (!walk->key) {
        const char *nearest = nearest_name(name);
        return refuse(walk, &event->start_mark, "there is no key \"%.60s\"; %s%s%s", name,
                      nearest ? "did you mean \"" : "", nearest ? nearest : "symwaved --print-config lists them all",
                      nearest ? "\"?" : "");
    }
    bool *seen = &walk->seen[walk->key - sw_config_keys];
    if (*seen)
        return refuse(walk, &event->start_mark, "%s: it is there a second time; say it once", name);
    *seen = true;
    return SW_OK;
}

static enum sw_status walk_scalar(struct walk *walk, const yaml_event_t *event)
{
    /* A NUL would end the string for C, and the rest of it would be dropped in silence. */
    if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
        return refuse(walk, &event->start_mark, "a NUL character; expected text");
    if (walk->depth == 0)
        return refuse(walk, &event->start_mark, "expected \"KEY: VALUE\" on each line");
    if (walk->depth == 2) {
        walk->items++;
        return SW_OK;
    }
    if (!walk->key)
        return walk_key(walk, event);
    if (walk->key->type == CONFIG_LIST)
        return refuse(walk, &event->start_mark, "%s: expected a list, as [%s]", walk->key->name, walk->key->argument);
    walk->marks[walk->key - sw_config_keys] = event->start_mark;
    walk->key = NULL;
    return SW_OK;
}

static enum sw_status walk_start(struct walk *walk, const yaml_event_t *event)
{
    const bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
    if (walk->depth == 0 && is_list)
        return refuse(walk, &event->start_mark, "expected \"KEY: VALUE\" on each line");
    if (walk->depth == 1 && !walk->key)
        return refuse(walk, &event->start_mark, "expected the name of a key");
    if (walk->depth == 1 && !(is_list && walk->key->type == CONFIG_LIST))
        return refuse(walk, &event->start_mark, "%s: expected %s", walk->key->name,
                      walk->key->type == CONFIG_LIST ? "a list"
                      : walk->key->argument          ? walk->key->argument
                                                     : "true or false");
    if (walk->depth == 2)
        return refuse(walk, &event->start_mark, "%s: expected texts in the list", walk->key->name);
    if (walk->depth == 1)
        walk->marks[walk->key - sw_config_keys] = event->start_mark;
    walk->items = 0;
    walk->depth++;
    return SW_OK;
}

static enum sw_status walk_event(struct walk *walk, const yaml_event_t *event, size_t *documents)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++*documents > 1 ? refuse(walk, &event->start_mark, "a second document; expected one") : SW_OK;
    case YAML_ALIAS_EVENT:
        return refuse(walk, &event->start_mark, "an alias; expected the value itself");
    case YAML_SCALAR_EVENT:
        return walk_scalar(walk, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return walk_start(walk, event);
    case YAML_SEQUENCE_END_EVENT:
        if (walk->depth == 2 && walk->items == 0)
            return refuse(walk, &event->start_mark, "%s: the list is empty; leave it out, or say [%s]", walk->key->name,
                          walk->key->argument);
        walk->key = NULL;
        walk->depth--;
        return SW_OK;
    default:
        return SW_OK;
    }
}

/* Checks all but the values. *documents says whether there is anything in the file. */
static enum sw_status walk_file(struct walk *walk, const char *text, size_t text_bytes, size_t *documents)
{
    yaml_parser_t parser;
    enum sw_status status = SW_OK;
    bool is_over = false;
    if (!yaml_parser_initialize(&parser))
        return sw_error_set(walk->error, SW_NO_MEMORY, "%.200s: no memory to read it", walk->name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, text_bytes);
    while (status == SW_OK && !is_over) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            const char *problem = parser.problem ? parser.problem : "it cannot be read";
            status = refuse(walk, &parser.problem_mark, "no YAML: %.80s", problem);
            break;
        }
        status = walk_event(walk, &event, documents);
        is_over = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return status;
}

/* ---- loading ---- */

/* What libcyaml makes of one key's value. */
struct loaded {
    char *text;
    char **items;
    uint64_t items_count;
};

static const cyaml_schema_value_t item_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED),
};

/* The schema of the table: every key may be there, as a string or a list of strings. NULL without memory. */
static cyaml_schema_field_t *new_fields(void)
{
    cyaml_schema_field_t *fields = calloc(sw_config_key_count + 1, sizeof(*fields));
    for (size_t i = 0; fields && i < sw_config_key_count; i++) {
        cyaml_schema_field_t *field = &fields[i];
        const uint32_t base = (uint32_t)(i * sizeof(struct loaded));
        field->key = sw_config_keys[i].name;
        field->value.flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL;
        if (sw_config_keys[i].type == CONFIG_LIST) {
            field->value.type = CYAML_SEQUENCE;
            field->value.data_size = sizeof(char *);
            field->value.sequence.entry = &item_schema;
            field->value.sequence.max = CYAML_UNLIMITED;
            field->data_offset = base + (uint32_t)offsetof(struct loaded, items);
            field->count_offset = base + (uint32_t)offsetof(struct loaded, items_count);
            field->count_size = sizeof(uint64_t);
        } else {
            field->value.type = CYAML_STRING;
            field->value.data_size = sizeof(char);
            field->value.string.max = CYAML_UNLIMITED;
            field->data_offset = base + (uint32_t)offsetof(struct loaded, text);
        }
    }
    return fields;
}

static enum sw_status take_value(struct sw_config *config, const struct config_key *key, const struct loaded *value,
                                 struct sw_error *error)
{
    if (key->type != CONFIG_LIST)
        return sw_config_set(config, key, value->text, error);
    struct sw_config_list *list = (struct sw_config_list *)((char *)config + key->offset);
    for (size_t i = 0; i < value->items_count; i++)
        if (!sw_config_list_add(list, value->items[i]))
            return sw_error_set(error, SW_NO_MEMORY, "no memory for a list");
    return SW_OK;
}

/* Sets what the file gives; what the command line gives too is only checked, in a config of its own. */
static enum sw_status take_values(struct walk *walk, struct sw_config *config, const struct sw_config_list *given,
                                  const struct loaded *values)
{
    struct sw_config passed_over = {0};
    enum sw_status status = SW_OK;
    for (size_t i = 0; status == SW_OK && i < sw_config_key_count; i++) {
        const struct config_key *key = &sw_config_keys[i];
        struct sw_error error = {0};
        if (!walk->seen[i])
            continue;
        status = take_value(given[i].count > 0 ? &passed_over : config, key, &values[i], &error);
        if (status == SW_INVALID_ARGUMENT)
            refuse(walk, &walk->marks[i], "%s: %s", key->name, error.message);
        else if (status != SW_OK)
            *walk->error = error;
    }
    sw_config_clear(&passed_over);
    return status;
}

static enum sw_status load(struct walk *walk, const char *text, size_t text_bytes, struct sw_config *config,
                           const struct sw_config_list *given)
{
    const cyaml_config_t options = {
        .log_fn = NULL, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_NO_ALIAS};
    cyaml_schema_field_t *fields = new_fields();
    if (!fields)
        return sw_error_set(walk->error, SW_NO_MEMORY, "%.200s: no memory to read it", walk->name);
    const cyaml_schema_value_t schema = {.type = CYAML_MAPPING,
                                         .flags = CYAML_FLAG_POINTER,
                                         .data_size = (uint32_t)(sw_config_key_count * sizeof(struct loaded)),
                                         .mapping = {.fields = fields}};
    struct loaded *values = NULL;
    enum sw_status status;
    cyaml_err_t result =
        cyaml_load_data((const uint8_t *)text, text_bytes, &options, &schema, (cyaml_data_t **)&values, NULL);
    if (result == CYAML_OK && values)
        status = take_values(walk, config, given, values);
    else
        status = sw_error_set(walk->error, result == CYAML_ERR_OOM ? SW_NO_MEMORY : SW_INVALID_ARGUMENT, "%.200s: %s",
                              walk->name, cyaml_strerror(result));
    cyaml_free(&options, &schema, values, 0);
    free(fields);
    return status;
}

enum sw_status sw_config_yaml_parse(const char *text, size_t text_bytes, const char *name, struct sw_config *config,
                                    const struct sw_config_list *given, struct sw_error *error)
{
    struct walk walk = {.name = name,
                        .marks = calloc(sw_config_key_count, sizeof(yaml_mark_t)),
                        .seen = calloc(sw_config_key_count, sizeof(bool)),
                        .error = error};
    size_t documents = 0;
    enum sw_status status = SW_OK;
    if (!walk.marks || !walk.seen)
        status = sw_error_set(error, SW_NO_MEMORY, "%.200s: no memory to read it", name);
    else
        status = walk_file(&walk, text, text_bytes, &documents);
    if (status == SW_OK && documents > 0)
        status = load(&walk, text, text_bytes, config, given);
    free(walk.marks);
    free(walk.seen);
    return status;
}

enum sw_status sw_config_yaml_load(const char *path, struct sw_config *config, const struct sw_config_list *given,
                                   struct sw_error *error)
{
    enum sw_status status = SW_OK;
    char *text = NULL;
    size_t bytes = 0;
    ssize_t count = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return sw_error_set(error, errno == ENOENT ? SW_NOT_FOUND : SW_IO_ERROR,
                            "cannot open the configuration %.200s: %s", path, strerror(errno));
    text = malloc(FILE_BYTES_MAX + 1);
    while (text && count != 0 && bytes <= FILE_BYTES_MAX) {
        count = read(fd, text + bytes, FILE_BYTES_MAX + 1 - bytes);
        if (count < 0 && errno != EINTR)
            break;
        bytes += count > 0 ? (size_t)count : 0;
    }
    if (!text)
        status = sw_error_set(error, SW_NO_MEMORY, "%.200s: no memory to read it", path);
    else if (count < 0)
        status = sw_error_set(error, SW_IO_ERROR, "cannot read the configuration %.200s: %s", path, strerror(errno));
    else if (bytes > FILE_BYTES_MAX)
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "%.200s: larger than %zu MiB, which no configuration is",
                              path, FILE_BYTES_MAX >> 20);
    else
        status = sw_config_yaml_parse(text, bytes, path, config, given, error);
    free(text);
    close(fd);
    return status;
}
