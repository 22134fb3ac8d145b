/* The configuration as people read it: a line of help for a key, and a file with all of them. */
#include "server/config_keys.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 100

void sw_config_describe(const struct config_key *key, char *out, size_t out_bytes)
{
    char bounds[64] = "";
    struct sw_config ends[2] = {{0}};
    if (key->type == CONFIG_COUNT || key->type == CONFIG_COUNT32 || key->type == CONFIG_SIZE) {
        for (int i = 0; i < 2; i++) {
            void *field = (char *)&ends[i] + key->offset;
            const uint64_t end = i == 0 ? key->min : key->max;
            if (key->type == CONFIG_COUNT32)
                *(uint32_t *)field = (uint32_t)end;
            else
                *(uint64_t *)field = end;
        }
        char *min = sw_config_text(&ends[0], key), *max = sw_config_text(&ends[1], key);
        if (min && max)
            snprintf(bounds, sizeof(bounds), ", %s to %s", min, max);
        free(min);
        free(max);
    }
    snprintf(out, out_bytes, "%s%s%s%s%s", key->help, bounds, key->fallback ? " (" : "",
             key->fallback ? key->fallback : "", key->fallback ? ")" : "");
}

/* Prints text as comments of some words a line. */
static void print_comment(const char *text)
{
    while (*text) {
        size_t length = strlen(text), end = length;
        if (length > COLUMNS) {
            end = COLUMNS;
            while (end > 0 && text[end] != ' ')
                end--;
        }
        printf("# %.*s\n", (int)end, text);
        text += end + (text[end] == ' ');
    }
}

/* A scalar that YAML cannot take for anything else. */
static void print_quoted(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            printf("\\x%02x", (unsigned char)*text);
        } else {
            if (*text == '"' || *text == '\\')
                putchar('\\');
            putchar(*text);
        }
    }
    putchar('"');
}

static void print_value(const struct sw_config *config, const struct config_key *key, const char *text)
{
    if (key->type == CONFIG_LIST) {
        const struct sw_config_list *list = (const struct sw_config_list *)((const char *)config + key->offset);
        putchar('[');
        for (size_t i = 0; i < list->count; i++) {
            fputs(i > 0 ? ", " : "", stdout);
            print_quoted(list->items[i]);
        }
        putchar(']');
    } else if (key->type == CONFIG_TEXT) {
        print_quoted(text);
    } else {
        fputs(text, stdout);
    }
}

void sw_config_print(const struct sw_config *config)
{
    static const char *const changes[] = {
        [CONFIG_FIXED] = "A change takes a restart.",
        [CONFIG_RELOADABLE] = "SIGHUP takes a change in.",
        [CONFIG_REPLACEABLE] = "SIGHUP takes another one in; to give one at all, or to take it away, takes a restart.",
    };
    printf("# symwaved %s. What is commented out is the default, or has none.\n", SYMWAVE_VERSION);
    for (size_t i = 0; i < sw_config_key_count; i++) {
        const struct config_key *key = &sw_config_keys[i];
        char text[400];
        struct sw_config fallback = {0};
        struct sw_error error = {0};
        if (i == 0 || key->group != sw_config_keys[i - 1].group)
            printf("\n# ---- %s\n", sw_config_groups[key->group]);
        sw_config_describe(key, text, sizeof(text));
        putchar('\n');
        print_comment(text);
        printf("# %s\n", changes[key->change]);
        sw_config_reset(&fallback, key, &error);
        char *now = sw_config_text(config, key), *before = sw_config_text(&fallback, key);
        if (now && before && strcmp(now, before) != 0) {
            printf("%s: ", key->name);
            print_value(config, key, now);
            putchar('\n');
        } else if (now) {
            printf("#%s: ", key->name);
            print_value(config, key, now);
            putchar('\n');
        }
        free(now);
        free(before);
        sw_config_clear(&fallback);
    }
}
