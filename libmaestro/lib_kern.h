/* SPDX-License-Identifier: MIT */
/* The kernel half of libmaestro: the public header with the core's types in place of libc's. */
#pragma once

#include <maestro/types.h>

typedef u8 uint8_t;
typedef u16 uint16_t;
typedef u32 uint32_t;
typedef u64 uint64_t;
typedef s64 int64_t;

#define MAESTRO_NO_STDINT
#include <maestro.h>

#include "lib_host.h"

/* task_kern.c: tasks that the user did not destroy. Outside. */
void lib_tasks_release(struct maestro *k);
/* node_kern.c: files and nodes that the user did not give back. Inside. */
void lib_nodes_release(void);
