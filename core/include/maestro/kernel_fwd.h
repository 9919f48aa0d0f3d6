/* SPDX-License-Identifier: MIT */
/* The kernel instance, for headers that need only its address. */
#pragma once

#include <hal/arch.h>

struct kernel;
static inline struct kernel *kernel(void)
{
	return hal_kernel();
}
