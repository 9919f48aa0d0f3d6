/* SPDX-License-Identifier: MIT */
/* Addresses of pages that may lie outside the direct map. */
#include <maestro/kernel.h>
#include <maestro/page.h>

void *page_map(struct page *p)
{
	paddr_t pa = page_to_phys(p);

	return likely(hal_is_direct(pa)) ? hal_phys_to_virt(pa) : hal_kmap(pa);
}

void page_unmap(void *va)
{
	/* an address inside the direct map is nobody's temporary map */
	if (unlikely(!hal_is_direct(hal_virt_to_phys(va))))
		hal_kunmap((void *)((uintptr_t)va & PAGE_MASK));
}
