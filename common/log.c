/*
 * Logging. An event's fields travel as one logfmt text; the writer takes it apart again and puts each value into a line
 * of bounded length, escaped as JSON escapes in both formats, so that nothing that a peer says can break a line, forge
 * a field or drive a terminal. UTF-8 passes through.
 */
#include "common/log.h"
#include "common/utf8.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* As much as a pipe takes in one piece (PIPE_BUF), so that lines of several processes do not mix. */
#define LINE_BYTES_MAX   4096
#define FIELDS_BYTES_MAX 3072

/* Text of bounded length that is only ever cut between characters. */
struct line {
    char *text;
    size_t bytes;
    size_t bytes_max;
    bool cut; /* something did not fit; nothing more is taken */
};

static void put(struct line *line, const char *text, size_t bytes)
{
    if (line->cut || bytes > line->bytes_max - line->bytes) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->bytes, text, bytes);
    line->bytes += bytes;
}

static void put_string(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Length of the JSON escape that text begins with, 0 where it is none. */
static size_t escape_bytes(const char *text, size_t bytes)
{
    if (bytes < 2 || text[0] != '\\')
        return 0;
    if (strchr("\"\\/bfnrt", text[1]) && text[1] != '\0')
        return 2;
    if (text[1] != 'u' || bytes < 6)
        return 0;
    for (size_t i = 2; i < 6; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f') ||
              (text[i] >= 'A' && text[i] <= 'F')))
            return 0;
    return 6;
}

/* Puts the first character of text, escaped where JSON or a terminal needs it. Returns how many bytes it was. */
static size_t put_character(struct line *line, const char *text, size_t bytes)
{
    char escaped[8];
    uint32_t code_point;
    size_t length = sw_utf8_next(text, bytes, &code_point);

    if (length == 0) {
        put_string(line, "\\ufffd");
        return 1;
    }
    if (code_point == '"' || code_point == '\\') {
        escaped[0] = '\\';
        escaped[1] = text[0];
        put(line, escaped, 2);
    } else if (code_point == '\n') {
        put_string(line, "\\n");
    } else if (code_point == '\r') {
        put_string(line, "\\r");
    } else if (code_point == '\t') {
        put_string(line, "\\t");
    } else if (sw_utf8_is_control(code_point)) {
        snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)(code_point & 0xffff));
        put_string(line, escaped);
    } else {
        put(line, text, length);
    }
    return length;
}

/* Puts text without quotes around it. In text that was quoted already, escapes stay as they are. */
static void put_escaped(struct line *line, const char *text, size_t bytes, bool was_quoted)
{
    for (size_t i = 0; i < bytes && !line->cut;) {
        size_t escape = was_quoted ? escape_bytes(text + i, bytes - i) : 0;
        if (escape > 0)
            put(line, text + i, escape);
        i += escape > 0 ? escape : put_character(line, text + i, bytes - i);
    }
}

/* Puts text in quotes; the closing one is always there, however the text was cut. */
static void put_quoted(struct line *line, const char *text, size_t bytes, bool was_quoted)
{
    if (line->cut || line->bytes_max - line->bytes < 2) {
        line->cut = true;
        return;
    }
    put(line, "\"", 1);
    line->bytes_max--;
    put_escaped(line, text, bytes, was_quoted);
    line->bytes_max++;
    line->text[line->bytes++] = '"';
}

static bool needs_quotes(const char *text, size_t bytes)
{
    uint32_t code_point = 0;
    size_t length = 0;

    for (size_t i = 0; i < bytes; i += length) {
        length = sw_utf8_next(text + i, bytes - i, &code_point);
        if (length == 0 || code_point <= ' ' || code_point == '"' || code_point == '=' || code_point == '\\' ||
            sw_utf8_is_control(code_point))
            return true;
    }
    return bytes == 0;
}

static void put_logfmt(struct line *line, const char *text, size_t bytes, bool was_quoted)
{
    if (needs_quotes(text, bytes))
        put_quoted(line, text, bytes, was_quoted);
    else
        put(line, text, bytes);
}

const char *sw_log_quote(const char *text, char *out, size_t out_bytes)
{
    if (out_bytes == 0)
        return out;
    struct line line = {.text = out, .bytes_max = out_bytes - 1};
    size_t bytes = text ? strlen(text) : 0;
    bool quotes = needs_quotes(text, bytes);
    if (quotes)
        put_quoted(&line, text, bytes, false);
    /* Without quotes there is nothing to escape, so this only copies, as far as there is room. */
    else
        put_escaped(&line, text, bytes, false);
    out[line.bytes] = '\0';
    return out;
}

/* One field of a logfmt text. */
struct field {
    const char *key;
    size_t key_bytes;
    const char *value;
    size_t value_bytes;
    bool quoted;
};

/* Takes the next field off *text; false at the end. A key alone stands for key=true, as logfmt has it. */
static bool next_field(const char **text, struct field *field)
{
    const char *at = *text + strspn(*text, " ");

    if (*at == '\0')
        return false;
    field->key = at;
    field->key_bytes = strcspn(at, " =");
    at += field->key_bytes;
    field->value = "true";
    field->value_bytes = 4;
    field->quoted = false;
    if (*at == '=' && at[1] == '"') {
        field->value = at + 2;
        field->quoted = true;
        for (at += 2; *at != '\0' && *at != '"'; at++)
            if (at[0] == '\\' && at[1] != '\0')
                at++;
        field->value_bytes = (size_t)(at - field->value);
        at += *at == '"';
    } else if (*at == '=') {
        field->value = at + 1;
        field->value_bytes = strcspn(at + 1, " ");
        at = field->value + field->value_bytes;
    }
    *text = at;
    return true;
}

static void put_field(struct line *line, enum sw_log_format format, const struct field *field)
{
    size_t bytes_before = line->bytes;
    bool json = format == SW_LOG_JSON;

    put_string(line, json ? ",\"" : " ");
    put_escaped(line, field->key, field->key_bytes, false);
    put_string(line, json ? "\":" : "=");
    /* A field of which not even a piece of the value fits is left out as a whole. */
    if (line->cut || line->bytes_max - line->bytes < 2) {
        line->bytes = bytes_before;
        line->cut = true;
        return;
    }
    if (json)
        put_quoted(line, field->value, field->value_bytes, field->quoted);
    else
        put_logfmt(line, field->value, field->value_bytes, field->quoted);
}

static void put_time(struct line *line)
{
    struct timespec now;
    struct tm parts;
    char text[64];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
             parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, (int)(now.tv_nsec / 1000000));
    put_string(line, text);
}

void sw_log_writer_write(enum sw_log_level level, const char *message, const char *fields, void *user_data)
{
    const struct sw_log_writer *writer = user_data;
    char text[LINE_BYTES_MAX];
    struct line line = {.text = text, .bytes_max = sizeof(text) - 2}; /* room for "}\n" */
    struct field field;
    bool json = writer->format == SW_LOG_JSON;

    put_string(&line, json ? "{\"ts\":\"" : "ts=");
    put_time(&line);
    put_string(&line, json ? "\",\"level\":\"" : " level=");
    put_string(&line, sw_log_level_name(level));
    put_string(&line, json ? "\",\"msg\":" : " msg=");
    if (json)
        put_quoted(&line, message, strlen(message), false);
    else
        put_logfmt(&line, message, strlen(message), false);
    while (fields && !line.cut && next_field(&fields, &field))
        put_field(&line, writer->format, &field);
    if (json)
        text[line.bytes++] = '}';
    text[line.bytes++] = '\n';

    /* A log that cannot be written is not worth failing for, and there is nobody left to tell. */
    ssize_t written;
    do
        written = write(writer->fd, text, line.bytes);
    while (written < 0 && errno == EINTR);
}

void sw_log(const struct sw_logger *logger, enum sw_log_level level, const char *message, const char *fields_format,
            ...)
{
    char fields[FIELDS_BYTES_MAX];

    if (!logger || !logger->fn || level > __atomic_load_n(&logger->level, __ATOMIC_RELAXED))
        return;
    va_list args;
    va_start(args, fields_format);
    vsnprintf(fields, sizeof(fields), fields_format, args);
    va_end(args);
    logger->fn(level, message, fields, logger->user_data);
}

void sw_logger_set_level(struct sw_logger *logger, enum sw_log_level level)
{
    __atomic_store_n(&logger->level, level, __ATOMIC_RELAXED);
}

static const char *const level_names[] = {
    [SW_LOG_ERROR] = "error", [SW_LOG_WARN] = "warn", [SW_LOG_INFO] = "info", [SW_LOG_DEBUG] = "debug"};

const char *sw_log_level_name(enum sw_log_level level)
{
    return level >= SW_LOG_ERROR && level <= SW_LOG_DEBUG ? level_names[level] : "unknown";
}

bool sw_log_level_parse(const char *name, enum sw_log_level *level)
{
    for (int i = SW_LOG_ERROR; i <= SW_LOG_DEBUG; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum sw_log_level)i;
            return true;
        }
    }
    return false;
}
