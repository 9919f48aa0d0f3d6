/* SPDX-License-Identifier: MIT */
/* An address space on the software page table, for kernel-side tests: current is a program in it between space_open() and space_close(). */
#pragma once

#include <maestro/kernel.h>
#include <maestro/mm.h>
#include <maestro/page.h>
#include <maestro/uaccess.h>

#include "ktest.h"

struct space {
	struct mm *mm, *before;
	u64 free_before;
};

static inline const char *space_open(struct space *s)
{
	uaddr_t top;

	pages_drain();
	s->free_before = page_free_count();
	s->before = current->mm;
	EXPECT(!mm_alloc(&s->mm));
	EXPECT(!mm_setup_stack(s->mm, 8UL << 20, false, &top));
	mm_switch(s->mm);
	return NULL;
}

static inline const char *space_close(struct space *s)
{
	mm_switch(s->before);
	mm_put_user(s->mm);
	return NULL;
}
#define TRY(x)                           \
	do {                             \
		const char *wrong_ = (x); \
		if (wrong_)              \
			return wrong_;   \
	} while (0)
