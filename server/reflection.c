/*
 * Reflection: streams that answer each request from the index. Answers are small, so they are made on the loop
 * thread.
 */
#include "server/reflection.h"
#include "common/protobuf.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "server/descriptors.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

typedef Grpc__Reflection__V1__ServerReflectionRequest Request;
typedef Grpc__Reflection__V1__ServerReflectionResponse Response;
#define REQUEST(kind)  GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind
#define RESPONSE(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind

/* A request is one name; protobuf-c may need many times a message's size, so a long one is not looked at. */
#define REQUEST_BYTES_MAX 4096
/* What a stream costs, about. */
#define CALL_BYTES 65536

extern const uint8_t sw_descriptor_set_start[], sw_descriptor_set_end[];

struct sw_reflection {
    struct sw_service *service;
    struct sw_descriptors *descriptors;
    pthread_mutex_t lock;
    /* under lock */
    struct stream *streams;
    bool stopping;
};

struct stream {
    struct sw_reflection *reflection;
    struct sw_rpc_server_call *call;
    /* under reflection->lock */
    struct stream *next, *previous;
    bool sending;
    bool finished;
};

struct sw_reflection *sw_reflection_new(struct sw_service *service)
{
    struct sw_reflection *reflection = calloc(1, sizeof(*reflection));
    if (!reflection)
        return NULL;
    reflection->service = service;
    reflection->descriptors =
        sw_descriptors_new(sw_descriptor_set_start, (size_t)(sw_descriptor_set_end - sw_descriptor_set_start));
    if (!reflection->descriptors) {
        free(reflection);
        return NULL;
    }
    pthread_mutex_init(&reflection->lock, NULL);
    return reflection;
}

void sw_reflection_free(struct sw_reflection *reflection)
{
    if (!reflection)
        return;
    sw_descriptors_free(reflection->descriptors);
    pthread_mutex_destroy(&reflection->lock);
    free(reflection);
}

/* ---- answers ---- */

/* Packs a response, whose parts need to live only during the call. NULL without memory. */
static struct sw_rpc_message *packed(const Response *response)
{
    size_t bytes = grpc__reflection__v1__server_reflection_response__get_packed_size(response);
    uint8_t *buffer = malloc(bytes);
    struct sw_rpc_message *message = buffer ? sw_rpc_message_new() : NULL;
    if (!message) {
        free(buffer);
        return NULL;
    }
    grpc__reflection__v1__server_reflection_response__pack(response, buffer);
    sw_rpc_message_add_external(message, buffer, bytes, free, buffer);
    return message;
}

static struct sw_rpc_message *answer_error(Response *response, enum sw_rpc_code code, const char *text)
{
    Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    error.error_code = (int32_t)code;
    error.error_message = (char *)text;
    response->message_response_case = RESPONSE(ERROR_RESPONSE);
    response->error_response = &error;
    return packed(response);
}

static struct sw_rpc_message *answer_file(const struct sw_descriptors *descriptors, Response *response, int file)
{
    if (file < 0)
        return answer_error(response, SW_RPC_NOT_FOUND, "the node serves no file or symbol of this name");
    size_t count = sw_descriptors_file_count(descriptors);
    bool *wanted = calloc(count, sizeof(*wanted));
    ProtobufCBinaryData *files = calloc(count, sizeof(*files));
    struct sw_rpc_message *message = NULL;
    if (wanted && files) {
        Grpc__Reflection__V1__FileDescriptorResponse list = GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
        sw_descriptors_with_imports(descriptors, file, wanted);
        list.file_descriptor_proto = files;
        for (size_t i = 0; i < count; i++)
            if (wanted[i]) {
                ProtobufCBinaryData *out = &files[list.n_file_descriptor_proto++];
                out->data = (uint8_t *)sw_descriptors_file(descriptors, (int)i, &out->len);
            }
        response->message_response_case = RESPONSE(FILE_DESCRIPTOR_RESPONSE);
        response->file_descriptor_response = &list;
        message = packed(response);
    }
    free(wanted);
    free(files);
    return message;
}

static struct sw_rpc_message *answer_services(const struct sw_descriptors *descriptors, Response *response)
{
    size_t count = sw_descriptors_service_count(descriptors);
    Grpc__Reflection__V1__ServiceResponse *services = calloc(count, sizeof(*services));
    Grpc__Reflection__V1__ServiceResponse **pointers = calloc(count, sizeof(*pointers));
    struct sw_rpc_message *message = NULL;
    if (services && pointers) {
        for (size_t i = 0; i < count; i++) {
            grpc__reflection__v1__service_response__init(&services[i]);
            services[i].name = (char *)sw_descriptors_service(descriptors, i);
            pointers[i] = &services[i];
        }
        Grpc__Reflection__V1__ListServiceResponse list = GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
        list.n_service = count;
        list.service = pointers;
        response->message_response_case = RESPONSE(LIST_SERVICES_RESPONSE);
        response->list_services_response = &list;
        message = packed(response);
    }
    free(services);
    free(pointers);
    return message;
}

/* The files are proto3 without extensions, so a type that exists has none. */
static struct sw_rpc_message *answer_extensions(const struct sw_descriptors *descriptors, Response *response,
                                                const char *type)
{
    if (!sw_descriptors_is_message(descriptors, type))
        return answer_error(response, SW_RPC_NOT_FOUND, "the node serves no message type of this name");
    Grpc__Reflection__V1__ExtensionNumberResponse numbers = GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    numbers.base_type_name = (char *)type;
    response->message_response_case = RESPONSE(ALL_EXTENSION_NUMBERS_RESPONSE);
    response->all_extension_numbers_response = &numbers;
    return packed(response);
}

static struct sw_rpc_message *answer(const struct sw_descriptors *descriptors, Request *request)
{
    Response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.valid_host = request->host;
    response.original_request = request;
    switch (request->message_request_case) {
    case REQUEST(FILE_BY_FILENAME):
        return answer_file(descriptors, &response, sw_descriptors_file_by_name(descriptors, request->file_by_filename));
    case REQUEST(FILE_CONTAINING_SYMBOL):
        return answer_file(descriptors, &response,
                           sw_descriptors_file_by_symbol(descriptors, request->file_containing_symbol));
    case REQUEST(FILE_CONTAINING_EXTENSION):
        return answer_error(&response, SW_RPC_NOT_FOUND, "the node serves no extensions");
    case REQUEST(ALL_EXTENSION_NUMBERS_OF_TYPE):
        return answer_extensions(descriptors, &response, request->all_extension_numbers_of_type);
    case REQUEST(LIST_SERVICES):
        return answer_services(descriptors, &response);
    default:
        return answer_error(&response, SW_RPC_INVALID_ARGUMENT, "the request asks for nothing that is known here");
    }
}

/* ---- the stream ---- */

static void *start(struct sw_rpc_server_call *call, void *user)
{
    struct sw_reflection *reflection = user;
    if (!sw_service_enter(reflection->service, call, CALL_BYTES))
        return NULL;
    struct stream *self = calloc(1, sizeof(*self));
    if (!self) {
        sw_service_leave(reflection->service, call, CALL_BYTES);
        sw_service_no_room(call, "no memory for the call");
        return NULL;
    }
    self->reflection = reflection;
    self->call = call;
    pthread_mutex_lock(&reflection->lock);
    self->next = reflection->streams;
    if (self->next)
        self->next->previous = self;
    reflection->streams = self;
    sw_rpc_server_read(call); /* under lock: once listed, the stream may be finished by a stop */
    pthread_mutex_unlock(&reflection->lock);
    return self;
}

/* Under lock, as all below. */
static void finish(struct stream *self, enum sw_rpc_code code, const char *details)
{
    self->finished = true;
    sw_rpc_server_finish(self->call, NULL, code, details);
}

static void finish_stopping(struct stream *self)
{
    self->finished = true;
    sw_service_stopping(self->call);
}

static void respond(struct stream *self, struct sw_rpc_message *request_message)
{
    Request *request = sw_protobuf_unpack(&grpc__reflection__v1__server_reflection_request__descriptor, request_message,
                                          REQUEST_BYTES_MAX);
    if (!request) {
        finish(self, SW_RPC_INVALID_ARGUMENT, "the request is not a ServerReflectionRequest");
        return;
    }
    struct sw_rpc_message *response = answer(self->reflection->descriptors, request);
    grpc__reflection__v1__server_reflection_request__free_unpacked(request, &sw_protobuf_allocator);
    if (response) {
        self->sending = true;
        sw_rpc_server_send(self->call, response);
    } else {
        self->finished = true;
        sw_service_no_room(self->call, "no memory for the answer");
    }
}

/* A caller that is gone shows as a message of NULL, which every read ends with at the latest. */
static void message(void *state, struct sw_rpc_message *message)
{
    struct stream *self = state;
    pthread_mutex_lock(&self->reflection->lock);
    if (self->finished)
        ; /* stopped meanwhile */
    else if (message)
        respond(self, message);
    else
        finish(self, SW_RPC_OK, NULL);
    pthread_mutex_unlock(&self->reflection->lock);
    sw_rpc_message_free(message);
}

static void sent(void *state)
{
    struct stream *self = state;
    pthread_mutex_lock(&self->reflection->lock);
    self->sending = false;
    if (self->reflection->stopping)
        finish_stopping(self);
    else
        sw_rpc_server_read(self->call);
    pthread_mutex_unlock(&self->reflection->lock);
}

static void end(void *state)
{
    struct stream *self = state;
    struct sw_reflection *reflection = self->reflection;
    pthread_mutex_lock(&reflection->lock);
    if (self->previous)
        self->previous->next = self->next;
    else
        reflection->streams = self->next;
    if (self->next)
        self->next->previous = self->previous;
    pthread_mutex_unlock(&reflection->lock);
    sw_service_leave(reflection->service, self->call, CALL_BYTES);
    free(self);
}

void sw_reflection_stop(struct sw_reflection *reflection)
{
    pthread_mutex_lock(&reflection->lock);
    reflection->stopping = true;
    for (struct stream *stream = reflection->streams; stream; stream = stream->next)
        if (!stream->sending && !stream->finished)
            finish_stopping(stream);
    pthread_mutex_unlock(&reflection->lock);
}

const struct sw_rpc_server_handler sw_reflection_handler = {
    .start = start, .message = message, .sent = sent, .end = end};
