/* SPDX-License-Identifier: MIT */
/* x86_64 programs exist here only as callers of the library, who have their host's vDSO: there is none to map. */
#include <maestro/abi.h>

kerr_t abi_vdso_init(void)
{
	return KERR(0);
}

void abi_vdso_update(s64 wall_offset)
{
	(void)wall_offset;
}

kerr_t abi_vdso_map(struct mm *mm)
{
	(void)mm;
	return KERR(0);
}

uaddr_t abi_vdso_sysinfo(const struct mm *mm)
{
	(void)mm;
	return 0;
}
