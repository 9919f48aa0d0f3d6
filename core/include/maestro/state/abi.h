/* SPDX-License-Identifier: MIT */
/* The state of core/abi in struct kernel: what is mapped into every program. */
#pragma once

#include <maestro/types.h>

struct page;
struct vdso_data;
struct abi_state {
	/* [c] after abi_vdso_init() */
	struct page *vdso_image, *vdso_data_page; /* NULL: no vDSO */
	/* [the clock's write lock] */
	struct vdso_data *vdso_data;
};
