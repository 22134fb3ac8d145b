/* All of the SDK's headers. */
#ifndef SYMWAVE_SYMWAVE_H
#define SYMWAVE_SYMWAVE_H

#include "symwave/call.h"
#include "symwave/client.h"
#include "symwave/file.h"
#include "symwave/key.h"
#include "symwave/layout.h"
#include "symwave/log.h"
#include "symwave/memory.h"
#include "symwave/node_list.h"
#include "symwave/raptorq.h"
#include "symwave/report.h"
#include "symwave/sink.h"
#include "symwave/status.h"
#include "symwave/trace.h"

#endif
