#include "client/cli/key_list.h"
#include "client/cli/records.h"
#include "common/format.h"
#include <stdlib.h>
#include <string.h>

void key_list_clear(struct key_list *list)
{
    free(list->keys);
    *list = (struct key_list){NULL, 0, 0};
}

static enum sw_status append(struct key_list *list, const struct sw_key *key, struct sw_error *error)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 1024;
        struct sw_key *keys = realloc(list->keys, capacity * sizeof(*keys));
        if (!keys)
            return sw_error_set(error, SW_NO_MEMORY, "no memory for %zu keys", capacity);
        list->keys = keys;
        list->capacity = capacity;
    }
    list->keys[list->count++] = *key;
    return SW_OK;
}

enum sw_status key_list_add(struct key_list *list, const char *text, struct sw_error *error)
{
    struct sw_key key;
    struct sw_error fault;
    char clean[72];

    if (sw_key_parse(text, strlen(text), &key, &fault) != SW_OK)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "bad key \"%s\": %s",
                            printable(text, strlen(text), clean, sizeof(clean)), fault.message);
    return append(list, &key, error);
}

/* The first field of a line, without the white space around it; none where the line is blank or a comment. */
static const char *first_field(const char *line, size_t *bytes)
{
    line += strspn(line, " \t\r");
    *bytes = line[0] == '#' ? 0 : strcspn(line, " \t\r");
    return line;
}

enum sw_status key_list_read(struct key_list *list, const char *path, struct sw_error *error)
{
    struct records *records = malloc(sizeof(*records));
    struct sw_error fault;
    enum sw_status status;
    char *line = NULL;
    size_t bytes;

    if (!records)
        return sw_error_set(error, SW_NO_MEMORY, "no memory to read %s", path);
    status = records_open(records, path, '\n', error);
    if (status != SW_OK)
        goto out;
    while ((status = records_next(records, &line, &bytes, error)) == SW_OK && line) {
        struct sw_key key;
        char clean[72];
        if (records->number == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0)
            line += 3;
        const char *field = first_field(line, &bytes);
        if (bytes == 0)
            continue;
        if (sw_key_parse(field, bytes, &key, &fault) != SW_OK)
            status = sw_error_set(error, SW_INVALID_ARGUMENT, "%s:%llu: bad key \"%s\": %s", records->name,
                                  (unsigned long long)records->number, printable(field, bytes, clean, sizeof(clean)),
                                  fault.message);
        else
            status = append(list, &key, error);
        if (status != SW_OK)
            break;
    }
    records_close(records);
out:
    free(records);
    return status;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct sw_key));
}

size_t key_list_distinct(const struct key_list *list)
{
    struct sw_key *sorted = malloc((list->count ? list->count : 1) * sizeof(*sorted));
    size_t distinct = list->count > 0;

    if (!sorted)
        return 0;
    if (list->count > 0)
        memcpy(sorted, list->keys, list->count * sizeof(*sorted));
    qsort(sorted, list->count, sizeof(*sorted), compare);
    for (size_t i = 1; i < list->count; i++)
        distinct += compare(&sorted[i - 1], &sorted[i]) != 0;
    free(sorted);
    return distinct;
}
