/* SPDX-License-Identifier: MIT */
/*
 * i386: structures of the socket calls as programs see them (recvmsg(2), cmsg(3), socket(7)), and what Linux's own bookkeeping of a message takes there:
 * programs see it in SIOCOUTQ and in how much fits into a buffer.
 */
#pragma once

#include <maestro/types.h>

struct abi_msghdr {
	u32 name;
	s32 namelen;
	u32 iov, iovlen;
	u32 control, controllen;
	u32 flags;
};
_Static_assert(sizeof(struct abi_msghdr) == 28, "recvmsg(2)");
struct abi_mmsghdr {
	struct abi_msghdr hdr;
	u32 len;
};
struct abi_cmsghdr {
	u32 len;
	s32 level, type;
};
#define ABI_MSG_CMSG_COMPAT 0u /* a flag that programs may not give: there is none */
/* of one buffer: its descriptor; what stands behind its bytes */
#define ABI_SKB_HEAD 192u
#define ABI_SKB_TAIL 256u
