/*
 * Node lists from YAML. libcyaml holds the file to a schema; its marks are those of what it last understood, so when it
 * or our own checks refuse something, the file is walked again with libyaml, event by event, to find the exact line and
 * column. Aliases are refused, so nothing expands.
 */
#include "common/memory.h"
#include "symwave/node_list.h"
#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

static const char expected[] = "expected \"nodes:\" and for each node \"- id: ID\" and \"address: HOST:PORT\"";

/* ---- the schema ---- */

struct yaml_node {
    char *id;
    char *address;
};

struct yaml_file {
    struct yaml_node *nodes;
    uint64_t nodes_count;
};

/* Lengths are not held here: the list knows them, and says which node's id is too long. */
static const cyaml_schema_field_t node_fields[] = {
    CYAML_FIELD_STRING_PTR("id", CYAML_FLAG_POINTER, struct yaml_node, id, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("address", CYAML_FLAG_POINTER, struct yaml_node, address, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t node_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_node, node_fields),
};

static const cyaml_schema_field_t file_fields[] = {
    CYAML_FIELD_SEQUENCE("nodes", CYAML_FLAG_POINTER, struct yaml_file, nodes, &node_schema, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_file, file_fields),
};

/* ---- where ---- */

/* What the walk looks for, and what it finds. */
struct search {
    size_t node;       /* this node, SIZE_MAX for none: the first event that does not fit the schema */
    const char *field; /* and in it this field's value */
    unsigned long line;
    unsigned long column; /* both counted from 1, 0 where nothing was found */
    char what[160];       /* what libyaml has to say, where it could not even parse */
};

/* The walk's place in the file: how deep, and what of the mapping there has been seen. */
struct place {
    int depth; /* 0 outside, 1 in the mapping of the file, 2 in its sequence, 3 in a node */
    bool key_next;
    unsigned seen; /* of the node: 1 id, 2 address; of the file: 1 nodes */
    unsigned current;
    size_t nodes;
    yaml_mark_t node_start;
};

static void found_at(struct search *search, const yaml_mark_t *mark)
{
    search->line = mark->line + 1;
    search->column = mark->column + 1;
}

/* The mark of a byte, for what fails before libyaml counts lines: bytes that are not UTF-8. */
static yaml_mark_t mark_of(const char *text, size_t text_bytes, size_t offset)
{
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < offset && i < text_bytes; i++) {
        mark.column = text[i] == '\n' ? 0 : mark.column + ((text[i] & 0xc0) != 0x80);
        mark.line += text[i] == '\n';
    }
    return mark;
}

/* Which of the keys allowed at this depth a scalar is; 0 for none. */
static unsigned key_of(const struct place *place, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;

    if (place->depth == 1)
        return strcmp(text, "nodes") == 0;
    return strcmp(text, "id") == 0 ? 1 : strcmp(text, "address") == 0 ? 2 : 0;
}

/* Takes a scalar; false where none fits. */
static bool step_scalar(struct place *place, const yaml_event_t *event, const struct search *search, bool *is_target)
{
    /* A NUL would end the string for C, and the rest of it would be dropped in silence. */
    if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
        return false;
    if (place->key_next && (place->depth == 1 || place->depth == 3)) {
        place->current = key_of(place, event);
        if (place->current == 0 || (place->seen & place->current))
            return false;
        place->seen |= place->current;
        place->key_next = false;
        return true;
    }
    if (place->depth != 3)
        return false;
    place->key_next = true;
    *is_target = search->field && place->nodes == search->node + 1 &&
                 place->current == (strcmp(search->field, "id") == 0 ? 1u : 2u);
    return true;
}

/* Takes an event; false where it does not fit the schema. */
static bool step(struct place *place, const yaml_event_t *event, const struct search *search, bool *is_target)
{
    switch (event->type) {
    case YAML_MAPPING_START_EVENT:
        if (place->depth != 0 && place->depth != 2)
            return false;
        place->depth++;
        place->nodes += place->depth == 3;
        place->node_start = event->start_mark;
        place->key_next = true;
        place->seen = 0;
        return true;
    case YAML_SEQUENCE_START_EVENT:
        if (place->depth != 1 || place->key_next)
            return false;
        place->depth = 2;
        return true;
    case YAML_SEQUENCE_END_EVENT:
        place->depth = 1;
        place->key_next = true;
        place->seen = 1;
        return true;
    case YAML_MAPPING_END_EVENT:
        if (place->seen != (place->depth == 3 ? 3u : 1u))
            return false;
        place->depth--;
        return true;
    case YAML_SCALAR_EVENT:
        return step_scalar(place, event, search, is_target);
    case YAML_ALIAS_EVENT:
        return false;
    case YAML_DOCUMENT_START_EVENT:
        return place->nodes == 0 && place->seen == 0;
    default:
        return true;
    }
}

/* Walks the text until what is searched for; leaves search->line 0 where that is not there. */
static void locate(const char *text, size_t text_bytes, struct search *search)
{
    struct place place = {.depth = 0};
    yaml_parser_t parser;
    yaml_event_t event;
    bool end = false;

    if (!yaml_parser_initialize(&parser))
        return;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, text_bytes);
    while (!end) {
        bool is_target = false;
        if (!yaml_parser_parse(&parser, &event)) {
            yaml_mark_t mark = parser.error == YAML_READER_ERROR ? mark_of(text, text_bytes, parser.problem_offset)
                                                                 : parser.problem_mark;
            found_at(search, &mark);
            snprintf(search->what, sizeof(search->what), "%s%s%s", parser.problem ? parser.problem : "not YAML",
                     parser.context ? " " : "", parser.context ? parser.context : "");
            break;
        }
        if (!step(&place, &event, search, &is_target)) {
            /* A node that lacks a field is shown where it begins: where it ends is already the next one. */
            found_at(search, event.type == YAML_MAPPING_END_EVENT ? &place.node_start : &event.start_mark);
            end = true;
        } else if (is_target) {
            found_at(search, &event.start_mark);
            end = true;
        }
        end = end || event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

/* "FILE:LINE:COLUMN", or "FILE" where the place is not known. */
static const char *where(const char *name, const struct search *search, char *out, size_t out_bytes)
{
    if (search->line > 0)
        snprintf(out, out_bytes, "%s:%lu:%lu", name, search->line, search->column);
    else
        snprintf(out, out_bytes, "%s", name);
    return out;
}

/* ---- loading ---- */

/* The first line that libcyaml logs is the cause, or for aliases already the backtrace. */
struct complaint {
    bool told;
    char text[160];
};

static SW_PRINTF(3, 0) void complain(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct complaint *complaint = context;
    char line[sizeof(complaint->text)];

    (void)level;
    if (complaint->told)
        return;
    complaint->told = true;
    vsnprintf(line, sizeof(line), format, args);
    line[strcspn(line, "\n")] = '\0';
    const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
    if (strcmp(text, "Backtrace:") == 0)
        return;
    /* It quotes the file, which may hold anything. */
    for (size_t i = 0; text[i] != '\0'; i++)
        complaint->text[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
}

/*
 * libcyaml makes a sequence longer by one entry at a time. This gives it half as much again, so that a million nodes
 * are not moved a million times.
 */
static void *allocate(void *context, void *pointer, size_t bytes)
{
    union block {
        size_t capacity;
        max_align_t align;
    } *block = pointer ? (union block *)pointer - 1 : NULL;

    (void)context;
    if (bytes == 0) {
        sw_free(block);
        return NULL;
    }
    if (block && bytes <= block->capacity)
        return pointer;
    if (bytes > SIZE_MAX / 4)
        return NULL;
    size_t capacity = block ? bytes + bytes / 2 : bytes;
    block = sw_realloc(block, sizeof(*block) + capacity);
    if (!block)
        return NULL;
    block->capacity = capacity;
    return block + 1;
}

/* Fails with what libcyaml said and where it is. */
static enum sw_status refuse(const char *text, size_t text_bytes, const char *name, const char *said,
                             struct sw_error *error)
{
    struct search search = {.node = SIZE_MAX};
    char place[300];

    locate(text, text_bytes, &search);
    return sw_error_set(error, SW_INVALID_ARGUMENT, "%s: %s; %s", where(name, &search, place, sizeof(place)),
                        search.what[0] != '\0' ? search.what : said, expected);
}

/* Moves what was read into a list. */
static enum sw_status fill(struct sw_node_list *list, const struct yaml_file *file, const char *text, size_t text_bytes,
                           const char *name, struct sw_error *error)
{
    for (size_t i = 0; i < file->nodes_count; i++) {
        struct sw_error fault;
        enum sw_status status = sw_node_list_add(list, file->nodes[i].id, file->nodes[i].address, &fault);
        if (status == SW_OK)
            continue;
        struct search search = {.node = i, .field = strncmp(fault.message, "address", 7) == 0 ? "address" : "id"};
        char place[300];
        if (status == SW_INVALID_ARGUMENT)
            locate(text, text_bytes, &search);
        return sw_error_set(error, status, "%s: node number %zu: %.*s", where(name, &search, place, sizeof(place)),
                            i + 1, (int)(SW_ERROR_MESSAGE_SIZE - sizeof(place) - 40), fault.message);
    }
    return SW_OK;
}

enum sw_status sw_node_list_parse(const char *text, size_t text_bytes, const char *name, struct sw_node_list **list,
                                  struct sw_error *error)
{
    struct complaint complaint = {.told = false};
    const cyaml_config_t config = {.log_fn = complain,
                                   .log_ctx = &complaint,
                                   .log_level = CYAML_LOG_WARNING,
                                   .mem_fn = allocate,
                                   .flags = CYAML_CFG_NO_ALIAS};
    struct yaml_file *file = NULL;
    struct search nul = {.node = SIZE_MAX};
    enum sw_status status = SW_OK;

    *list = NULL;
    cyaml_err_t result =
        cyaml_load_data((const uint8_t *)text, text_bytes, &config, &file_schema, (cyaml_data_t **)&file, NULL);
    if (result == CYAML_ERR_OOM) {
        status = sw_error_set(error, SW_NO_MEMORY, "%s: no memory for the node list", name);
    } else if (result != CYAML_OK) {
        status = refuse(text, text_bytes, name, complaint.text[0] ? complaint.text : cyaml_strerror(result), error);
    } else if (complaint.told) {
        /* libcyaml's one warning: it has passed over a second document. To leave nodes out in silence will not do. */
        status = refuse(text, text_bytes, name, "more than one document", error);
    } else if (!file || file->nodes_count == 0) {
        status = sw_error_set(error, SW_INVALID_ARGUMENT, "%s: names no node; %s", name, expected);
    } else if (memchr(text, '\\', text_bytes)) {
        locate(text, text_bytes, &nul);
        if (nul.line > 0)
            status = refuse(text, text_bytes, name, "a NUL character", error);
    }
    if (status != SW_OK)
        goto out;

    *list = sw_node_list_new();
    status = *list ? fill(*list, file, text, text_bytes, name, error)
                   : sw_error_set(error, SW_NO_MEMORY, "%s: no memory for the node list", name);
    if (status != SW_OK) {
        sw_node_list_free(*list);
        *list = NULL;
    }
out:
    cyaml_free(&config, &file_schema, file, 0);
    return status;
}

/* ---- the file ---- */

/* Reads what is left of fd, which may be a pipe, into *text. */
static enum sw_status read_all(int fd, const char *path, char **text, size_t *bytes, struct sw_error *error)
{
    size_t capacity = 64 << 10;

    *bytes = 0;
    *text = NULL;
    for (;;) {
        if (!*text || *bytes == capacity) {
            capacity = *text ? capacity * 2 : capacity;
            char *grown = sw_realloc(*text, capacity);
            if (!grown)
                return sw_error_set(error, SW_NO_MEMORY, "%s: no memory for %zu bytes", path, capacity);
            *text = grown;
        }
        ssize_t count = read(fd, *text + *bytes, capacity - *bytes);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return sw_error_set(error, SW_IO_ERROR, "cannot read the node list %s: %s", path, strerror(errno));
        if (count == 0)
            return SW_OK;
        *bytes += (size_t)count;
        if (*bytes > SW_NODE_LIST_FILE_BYTES_MAX)
            return sw_error_set(error, SW_INVALID_ARGUMENT, "%s: larger than %u MiB, which no node list is", path,
                                SW_NODE_LIST_FILE_BYTES_MAX >> 20);
    }
}

enum sw_status sw_node_list_load(const char *path, struct sw_node_list **list, struct sw_error *error)
{
    char *text = NULL;
    size_t bytes = 0;
    enum sw_status status;

    *list = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sw_error_set(error, errno == ENOENT || errno == ENOTDIR ? SW_NOT_FOUND : SW_IO_ERROR,
                            "cannot open the node list %s: %s", path, strerror(errno));
    status = read_all(fd, path, &text, &bytes, error);
    if (status == SW_OK)
        status = sw_node_list_parse(text, bytes, path, list, error);
    sw_free(text);
    close(fd);
    return status;
}
