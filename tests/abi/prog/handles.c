// SPDX-License-Identifier: MIT
/* Handles of files. */
#include "../abi.h"

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

int main(void)
{
	abi_file("x", "", 0644);
	test_handles();
	return 0;
}
