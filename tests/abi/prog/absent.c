// SPDX-License-Identifier: MIT
/* Numbers that lead nowhere on Linux 6.1 i386 as Debian builds it: gone long ago, or of parts that are not built in. */
#include "../abi.h"

static void gone(void)
{
	static const struct { int nr; const char *name; } calls[] = {
		{ 17, "break" }, { 31, "stty" }, { 32, "gtty" }, { 35, "ftime" }, { 44, "prof" }, { 53, "lock" }, { 56, "mpx" },
		{ 58, "ulimit" }, { 98, "profil" }, { 112, "idle" }, { 127, "create_module" }, { 130, "get_kernel_syms" }, { 134, "bdflush" },
		{ 137, "afs_syscall" }, { 149, "_sysctl" }, { 167, "query_module" }, { 169, "nfsservctl" }, { 188, "getpmsg" },
		{ 189, "putpmsg" }, { 222, "222" }, { 223, "223" }, { 251, "251" }, { 273, "vserver" }, { 285, "285" }, { 451, "451" }, { 500, "500" },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		CALL(calls[i].name, syscall(calls[i].nr, 0, 0, 0, 0, 0, 0));
}

static void not_built(void)
{
	char page[4096];

	CALL("lookup_dcookie", syscall(SYS_lookup_dcookie, 0ULL, page, sizeof(page)));
	CALL("mbind", syscall(SYS_mbind, page, 4096, 0, NULL, 0, 0));
	CALL("get_mempolicy", syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0));
	CALL("set_mempolicy", syscall(SYS_set_mempolicy, 0, NULL, 0));
	CALL("migrate_pages", syscall(SYS_migrate_pages, 0, 0, NULL, NULL));
	CALL("move_pages", syscall(SYS_move_pages, 0, 0, NULL, NULL, NULL, 0));
	CALL("set_mempolicy_home_node", syscall(450, page, 4096, 0, 0));
	CALL("memfd_secret", syscall(447, 0));
	CALL("pkey_alloc", syscall(SYS_pkey_alloc, 0, 0));
	CALL("pkey_free", syscall(SYS_pkey_free, 1));
	CALL("pkey_mprotect", syscall(SYS_pkey_mprotect, page, 4096, PROT_READ, -1));
}

static void nearly_absent(void)
{
	int *map = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CALL("uselib", syscall(SYS_uselib, "/abi/list"));
	CALL("uselib none", syscall(SYS_uselib, "none"));
	CALL("uselib directory", syscall(SYS_uselib, "."));
	abi_file("lib", "#!/bin/sh\n", 0755);
	CALL("uselib no library", syscall(SYS_uselib, "lib"));
	for (int i = 0; i < 4; i++)
		map[i * 1024] = i;
	CALL("remap prot", syscall(SYS_remap_file_pages, map, 4096, PROT_READ, 1, 0));
	CALL("remap nothing", syscall(SYS_remap_file_pages, map, 100, 0, 1, 0));
	CALL("remap", syscall(SYS_remap_file_pages, map, 4096, 0, 3, 0));
	NUM("remapped", map[0]);
	NUM("not remapped", map[1024]);
	CALL("remap more", syscall(SYS_remap_file_pages, map, 2 * 4096, 0, 1, 0));
	NUM("remap over two maps", map[0]);
	munmap(map + 2048, 4096);
	CALL("remap a hole", syscall(SYS_remap_file_pages, map + 1024, 2 * 4096, 0, 0, 0));
	CALL("remap what is private", syscall(SYS_remap_file_pages, &map, 4096, 0, 1, 0));
	CALL("membarrier", syscall(SYS_membarrier, 0, 0, 0));
	CALL("membarrier rseq early", syscall(SYS_membarrier, 128, 0, 0));
	CALL("register rseq", syscall(SYS_membarrier, 256, 0, 0));
	CALL("membarrier rseq", syscall(SYS_membarrier, 128, 0, 0));
	CALL("membarrier rseq cpu", syscall(SYS_membarrier, 128, 1, 0));
	CALL("membarrier flag", syscall(SYS_membarrier, 8, 1, 0));
}

int main(void)
{
	gone();
	not_built();
	nearly_absent();
	return 0;
}
