/* SPDX-License-Identifier: MIT */
/* HAL contract: physical memory as the core sees it. */
#pragma once

#include <hal/arch.h>
#include <maestro/errno.h>

/* What the boot loader (or the hosted creator) says about this machine. Lives as long as the kernel. Owned by the backend. */
struct hal_ram_range {
	paddr_t start, end; /* page-aligned; usable RAM only, without the kernel image, modules, and the backend's own */
};
struct hal_boot_info {
	const char *cmdline;
	const char *loader; /* "GRUB 2.06", "qemu", "host" */
	const struct hal_ram_range *ram;
	unsigned ram_count;
	paddr_t ram_end;	    /* one past the highest RAM byte */
	paddr_t initrd, initrd_end; /* 0,0: none. Reserved until the core frees the pages */
	u64 ram_total;		    /* bytes of RAM the firmware reported */
};
const struct hal_boot_info *hal_boot_info(void);

/*
 * Temporary maps for frames outside the direct map. Nest like a stack, at most HAL_KMAP_DEPTH (4) deep per task; the maps follow the task
 * over a context switch, so it may sleep. Not from interrupts. For frames in the direct map use hal_phys_to_virt.
 */
void *hal_kmap(paddr_t frame);
void hal_kunmap(void *va);
/* Maps device registers or firmware tables, uncached if asked. KERR(ENOMEM). Never unmapped. May sleep. */
kerr_t hal_map_device(paddr_t start, size_t size, bool uncached, void **out) __must_check;
/* Debug builds under a sanitizer: memory the core calls free must not be touched. Otherwise nothing. Any context. */
void hal_poison(const void *p, size_t n);
void hal_unpoison(const void *p, size_t n);
