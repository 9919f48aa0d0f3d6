// SPDX-License-Identifier: MIT
/* Handles of files, and POSIX ACLs as attributes. */
#include "../abi.h"
#include <sys/xattr.h>

static void test_handles(void)
{
	struct { struct file_handle h; char bytes[128]; } h;
	int id;

	h.h.handle_bytes = 0;
	CALL("how long", name_to_handle_at(AT_FDCWD, "x", &h.h, &id, 0));
	NUM("bytes", h.h.handle_bytes);
	h.h.handle_bytes = 128;
	CALL("handle", name_to_handle_at(AT_FDCWD, "x", &h.h, &id, 0));
	int m = open(".", O_RDONLY);
	CALL("open by it", open_by_handle_at(m, &h.h, O_RDONLY) >= 0);
	CALL("bad flag", name_to_handle_at(AT_FDCWD, "x", &h.h, &id, 0x10));
	h.h.handle_bytes = 200;
	CALL("too long", name_to_handle_at(AT_FDCWD, "x", &h.h, &id, 0));
	close(m);
}

static void test_acl(void)
{
	/* Version 2; user rwx, user 1000 r, group r, mask r, other none. */
	static const uint32_t acl[] = { 2, 0x00070001, ~0u, 0x00040002, 1000, 0x00040004, ~0u, 0x00040010, ~0u, 0x00000020, ~0u };
	char buf[100];
	struct stat st;

	CALL("acl get", getxattr("x", "system.posix_acl_access", buf, sizeof(buf)));
	CALL("acl bad", setxattr("x", "system.posix_acl_access", "1", 1, 0));
	CALL("acl set", setxattr("x", "system.posix_acl_access", acl, sizeof(acl), 0));
	stat("x", &st);
	HEX("mode", st.st_mode);
	CALL("acl back", getxattr("x", "system.posix_acl_access", buf, sizeof(buf)));
	CHILD("named user", setuid(1000); CALL("read", open("x", O_RDONLY) >= 0); CALL("write", open("x", O_WRONLY)));
	CHILD("others", setuid(1001); CALL("read", open("x", O_RDONLY)));
	CALL("default on file", setxattr("x", "system.posix_acl_default", acl, sizeof(acl), 0));
	mkdir("ad", 0755);
	CALL("default on dir", setxattr("ad", "system.posix_acl_default", acl, sizeof(acl), 0));
	abi_file("ad/f", "", 0666);
	stat("ad/f", &st);
	HEX("inherited mode", st.st_mode);
	CALL("inherited", getxattr("ad/f", "system.posix_acl_access", buf, sizeof(buf)));
	CALL("remove", removexattr("x", "system.posix_acl_access"));
}

int main(void)
{
	abi_file("x", "", 0644);
	test_handles();
	test_acl();
	return 0;
}
