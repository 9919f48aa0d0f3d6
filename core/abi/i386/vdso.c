/* SPDX-License-Identifier: MIT */
/*
 * The vDSO of i386 programs: a page of data ("[vvar]") and the image ("[vdso]") right after it, the same two frames in every program, at the
 * highest free place of the mmap area (its top is what is drawn at random). vdso(7).
 */
#include <hal/time.h>
#include <maestro/abi.h>
#include <maestro/atomic.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/timer.h>

#include "vdso/data.h"
#include "vdso/layout.h"

#define HWCAP_SEP (1u << 11)

extern const u8 abi_vdso_image[], abi_vdso_image_end[];

static const char *vvar_name(struct vma *v)
{
	(void)v;
	return "[vvar]";
}
static const char *vdso_name(struct vma *v)
{
	(void)v;
	return "[vdso]";
}
static const struct vm_ops vvar_ops = { .name = vvar_name };
static const struct vm_ops vdso_ops = { .name = vdso_name };

kerr_t abi_vdso_init(void)
{
	struct abi_state *s = &kernel()->abi;
	size_t size = (size_t)(abi_vdso_image_end - abi_vdso_image);
	u8 *image;

	ASSERT(size <= PAGE_SIZE);
	s->vdso_image = page_alloc((enum gfp)(GFP_KERNEL | GFP_ZERO));
	s->vdso_data_page = page_alloc((enum gfp)(GFP_KERNEL | GFP_ZERO));
	if (!s->vdso_image || !s->vdso_data_page)
		return KERR(ENOMEM);
	image = page_address(s->vdso_image);
	memcpy(image, abi_vdso_image, size);
	if (!(HAL_HWCAP & HWCAP_SEP))
		memset(image + VDSO_SYSENTER, 0x90, 4); /* then "int $0x80" is what runs */
	s->vdso_data = page_address(s->vdso_data_page);
	abi_vdso_update(ktime_get_real() - ktime_get());
	return 0;
}

void abi_vdso_update(s64 wall_offset)
{
	struct vdso_data *d = kernel()->abi.vdso_data;
	struct hal_vclock c;
	bool usable;

	if (!d)
		return;
	usable = hal_time_vclock(&c);
	store_relaxed(&d->seq, d->seq + 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	d->usable = usable ? VDSO_USABLE | (HAL_HWCAP & (1u << 26) ? VDSO_ORDER_TSC : 0) : 0; /* HWCAP is CPUID.1:EDX; 26 is SSE2 */
	if (usable) {
		d->mult = c.mult;
		d->doublings = 32 - c.shift;
		d->base_cycles = c.base_cycles;
		d->base_ns[0] = c.base_ns + wall_offset;
		d->base_ns[1] = c.base_ns;
	}
	store_release(&d->seq, d->seq + 1);
}

/* The highest room for both pages below mmap_base; 0 if there is none. The space is new: nobody else changes it. */
static uaddr_t find_room(struct mm *mm)
{
	uaddr_t at = ALIGN_DOWN(mm->mmap_base, PAGE_SIZE) - 2 * PAGE_SIZE;

	rwsem_read_lock(&mm->lock);
	for (;;) {
		struct vma *v = vma_find(mm, at);

		if (!v || v->start >= at + 2 * PAGE_SIZE)
			break;
		at = v->start > HAL_USER_START + 2 * PAGE_SIZE ? v->start - 2 * PAGE_SIZE : 0;
		if (!at)
			break;
	}
	rwsem_read_unlock(&mm->lock);
	return at;
}

kerr_t abi_vdso_map(struct mm *mm)
{
	struct abi_state *s = &kernel()->abi;
	u32 flags = VM_READ | VM_MAYREAD | VM_DONTEXPAND | VM_SPECIAL_NAME | VM_DONTDUMP;
	uaddr_t at;
	kerr_t err;

	if (!s->vdso_image)
		return 0;
	at = find_room(mm);
	if (!at)
		return KERR(ENOMEM);
	err = mm_map_special(mm, at, PAGE_SIZE, flags, &vvar_ops, &s->vdso_data_page);
	if (err)
		return err;
	err = mm_map_special(mm, at + PAGE_SIZE, PAGE_SIZE, flags | VM_EXEC | VM_MAYEXEC, &vdso_ops, &s->vdso_image);
	if (err)
		return err;
	mm->vdso = at + PAGE_SIZE;
	return 0;
}

uaddr_t abi_vdso_sigreturn(const struct mm *mm, bool rt)
{
	return mm->vdso ? mm->vdso + (rt ? VDSO_RT_SIGRETURN : VDSO_SIGRETURN) : 0;
}

uaddr_t abi_vdso_sysinfo(const struct mm *mm)
{
	return mm->vdso ? mm->vdso + VDSO_VSYSCALL : 0;
}
