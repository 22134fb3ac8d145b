/* The index: the files of a descriptor set as protobuf-c reads them, and all names in them, sorted. */
#include "server/descriptors.h"
#include "common/memory.h"
#include "google/protobuf/descriptor.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
    char *name;
    int file;
    bool is_message;
    bool is_service;
};

struct file {
    Google__Protobuf__FileDescriptorProto *proto;
    const uint8_t *bytes;
    size_t bytes_count;
};

struct sw_descriptors {
    struct file *files;
    size_t file_count;
    struct symbol *symbols; /* by name */
    size_t symbol_count;
    const char **services; /* names of symbols */
    size_t service_count;
};

static bool add_symbol(struct sw_descriptors *self, const char *scope, const char *name, struct symbol symbol)
{
    struct symbol *symbols = realloc(self->symbols, (self->symbol_count + 1) * sizeof(*symbols));
    if (!symbols)
        return false;
    self->symbols = symbols;
    symbol.name = sw_text_new("%s%s%s", scope, *scope ? "." : "", name);
    if (!symbol.name)
        return false;
    symbols[self->symbol_count++] = symbol;
    return true;
}

/* An enum's values are its siblings, as in C++. */
static bool add_enum(struct sw_descriptors *self, int file, const char *scope,
                     const Google__Protobuf__EnumDescriptorProto *proto)
{
    bool ok = add_symbol(self, scope, proto->name, (struct symbol){.file = file});
    for (size_t i = 0; ok && i < proto->n_value; i++)
        ok = add_symbol(self, scope, proto->value[i]->name, (struct symbol){.file = file});
    return ok;
}

static bool add_service(struct sw_descriptors *self, int file, const char *scope,
                        const Google__Protobuf__ServiceDescriptorProto *proto)
{
    if (!add_symbol(self, scope, proto->name, (struct symbol){.file = file, .is_service = true}))
        return false;
    char *inner = strdup(self->symbols[self->symbol_count - 1].name);
    bool ok = inner != NULL;
    for (size_t i = 0; ok && i < proto->n_method; i++)
        ok = add_symbol(self, inner, proto->method[i]->name, (struct symbol){.file = file});
    free(inner);
    return ok;
}

static bool add_message(struct sw_descriptors *self, int file, const char *scope,
                        const Google__Protobuf__DescriptorProto *proto)
{
    if (!add_symbol(self, scope, proto->name, (struct symbol){.file = file, .is_message = true}))
        return false;
    char *inner = strdup(self->symbols[self->symbol_count - 1].name);
    bool ok = inner != NULL;
    for (size_t i = 0; ok && i < proto->n_field; i++)
        ok = add_symbol(self, inner, proto->field[i]->name, (struct symbol){.file = file});
    for (size_t i = 0; ok && i < proto->n_oneof_decl; i++)
        ok = add_symbol(self, inner, proto->oneof_decl[i]->name, (struct symbol){.file = file});
    for (size_t i = 0; ok && i < proto->n_enum_type; i++)
        ok = add_enum(self, file, inner, proto->enum_type[i]);
    for (size_t i = 0; ok && i < proto->n_nested_type; i++)
        ok = add_message(self, file, inner, proto->nested_type[i]);
    free(inner);
    return ok;
}

static bool add_file(struct sw_descriptors *self, const uint8_t *bytes, size_t bytes_count)
{
    struct file *files = realloc(self->files, (self->file_count + 1) * sizeof(*files));
    if (!files)
        return false;
    self->files = files;
    Google__Protobuf__FileDescriptorProto *proto =
        google__protobuf__file_descriptor_proto__unpack(NULL, bytes_count, bytes);
    if (!proto)
        return false;
    int file = (int)self->file_count++;
    files[file] = (struct file){.proto = proto, .bytes = bytes, .bytes_count = bytes_count};
    const char *package = proto->package ? proto->package : "";
    bool ok = true;
    for (size_t i = 0; ok && i < proto->n_message_type; i++)
        ok = add_message(self, file, package, proto->message_type[i]);
    for (size_t i = 0; ok && i < proto->n_enum_type; i++)
        ok = add_enum(self, file, package, proto->enum_type[i]);
    for (size_t i = 0; ok && i < proto->n_service; i++)
        ok = add_service(self, file, package, proto->service[i]);
    return ok;
}

static int compare_symbols(const void *a, const void *b)
{
    return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

static bool list_services(struct sw_descriptors *self)
{
    self->services = calloc(self->symbol_count + 1, sizeof(*self->services));
    if (!self->services)
        return false;
    for (size_t i = 0; i < self->symbol_count; i++)
        if (self->symbols[i].is_service)
            self->services[self->service_count++] = self->symbols[i].name;
    return true;
}

/* Calls add_file for each file of a set: field 1, as bytes. */
static bool add_files(struct sw_descriptors *self, const uint8_t *set, size_t set_bytes)
{
    size_t at = 0;
    while (at < set_bytes) {
        size_t length = 0;
        if (set[at++] != 0x0a)
            return false;
        for (unsigned shift = 0;; shift += 7) {
            if (at == set_bytes || shift > 28)
                return false;
            length |= (size_t)(set[at] & 0x7f) << shift;
            if (!(set[at++] & 0x80))
                break;
        }
        if (length > set_bytes - at || !add_file(self, set + at, length))
            return false;
        at += length;
    }
    return true;
}

struct sw_descriptors *sw_descriptors_new(const uint8_t *set, size_t set_bytes)
{
    struct sw_descriptors *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    if (!add_files(self, set, set_bytes)) {
        sw_descriptors_free(self);
        return NULL;
    }
    if (self->symbol_count > 0)
        qsort(self->symbols, self->symbol_count, sizeof(*self->symbols), compare_symbols);
    if (!list_services(self)) {
        sw_descriptors_free(self);
        return NULL;
    }
    return self;
}

void sw_descriptors_free(struct sw_descriptors *self)
{
    if (!self)
        return;
    for (size_t i = 0; i < self->symbol_count; i++)
        sw_free(self->symbols[i].name);
    for (size_t i = 0; i < self->file_count; i++)
        google__protobuf__file_descriptor_proto__free_unpacked(self->files[i].proto, NULL);
    free(self->services);
    free(self->symbols);
    free(self->files);
    free(self);
}

static const struct symbol *find(const struct sw_descriptors *self, const char *name)
{
    struct symbol wanted = {.name = (char *)name};
    if (self->symbol_count == 0)
        return NULL;
    return bsearch(&wanted, self->symbols, self->symbol_count, sizeof(wanted), compare_symbols);
}

int sw_descriptors_file_by_name(const struct sw_descriptors *self, const char *name)
{
    for (size_t i = 0; i < self->file_count; i++)
        if (strcmp(self->files[i].proto->name, name) == 0)
            return (int)i;
    return -1;
}

int sw_descriptors_file_by_symbol(const struct sw_descriptors *self, const char *name)
{
    const struct symbol *symbol = find(self, name);
    return symbol ? symbol->file : -1;
}

bool sw_descriptors_is_message(const struct sw_descriptors *self, const char *name)
{
    const struct symbol *symbol = find(self, name);
    return symbol && symbol->is_message;
}

const uint8_t *sw_descriptors_file(const struct sw_descriptors *self, int file, size_t *bytes)
{
    *bytes = self->files[file].bytes_count;
    return self->files[file].bytes;
}

size_t sw_descriptors_file_count(const struct sw_descriptors *self)
{
    return self->file_count;
}

void sw_descriptors_with_imports(const struct sw_descriptors *self, int file, bool *wanted)
{
    wanted[file] = true;
    const Google__Protobuf__FileDescriptorProto *proto = self->files[file].proto;
    for (size_t i = 0; i < proto->n_dependency; i++) {
        int import = sw_descriptors_file_by_name(self, proto->dependency[i]);
        if (import >= 0 && !wanted[import])
            sw_descriptors_with_imports(self, import, wanted);
    }
}

size_t sw_descriptors_service_count(const struct sw_descriptors *self)
{
    return self->service_count;
}

const char *sw_descriptors_service(const struct sw_descriptors *self, size_t index)
{
    return self->services[index];
}
