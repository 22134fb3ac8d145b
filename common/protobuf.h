/* Messages of protobuf-c to and from those of the gRPC layer, in memory of the SDK's. */
#ifndef SW_PROTOBUF_H
#define SW_PROTOBUF_H

#include "common/rpc.h"
#include <protobuf-c/protobuf-c.h>

/* What unpacked messages are made and freed with. */
extern ProtobufCAllocator sw_protobuf_allocator;

/* The message packed, in one to send. NULL without memory. */
struct sw_rpc_message *sw_protobuf_pack(const ProtobufCMessage *message);

/*
 * The message in a received one, freed by its free_unpacked with sw_protobuf_allocator. NULL where it is none, has more
 * than bytes_max, or there is no memory. A message may take fifty times as much unpacked.
 */
void *sw_protobuf_unpack(const ProtobufCMessageDescriptor *type, struct sw_rpc_message *message, size_t bytes_max);

#endif
