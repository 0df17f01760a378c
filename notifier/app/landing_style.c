/*
 * landing_style.c
 *		The style of the page at /, and the policy that allows only this
 *		style.
 *
 * On a narrow screen each row of the table becomes a block, in which the name
 * of the column stands before each cell.
 */
#include "app/landing_style.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define SHA256_SIZE		32
#define BASE64_SIZE		45		/* of that, with its NUL */

const char	landing_style[] =
":root{color-scheme:light dark;--back:#fff;--text:#1f2328;--faint:#59636e;"
"--line:#d8dee4;--good:#1a7f37;--bad:#b42318;--wait:#8a5a00}\n"
"@media(prefers-color-scheme:dark){:root{--back:#14171c;--text:#e2e6eb;"
"--faint:#9aa4af;--line:#323943;--good:#4cc26a;--bad:#ff8278;--wait:#e0b04a}}\n"
"*{box-sizing:border-box}\n"
"body{margin:0 auto;max-width:84rem;padding:2rem 1.5rem;background:var(--back);"
"color:var(--text);font:15px/1.5 system-ui,sans-serif}\n"
"h1{font-size:1.5rem;font-weight:600;margin:0}\n"
"a{color:inherit}\n"
"small,time,.faint{color:var(--faint);font-size:.87rem;font-weight:400}\n"
"nav a{margin-right:1.2rem}\n"
"dl{display:flex;flex-wrap:wrap;gap:.4rem 2.6rem;margin:1.2rem 0 2rem}\n"
"dt{color:var(--faint);font-size:.87rem}\n"
"dd{margin:0}\n"
"table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
"caption{font-size:1.1rem;font-weight:600;text-align:left;padding:.4rem 0}\n"
"th,td{border-top:1px solid var(--line);padding:.6rem 1.6rem .6rem 0;"
"text-align:left;vertical-align:top}\n"
"th{font-weight:600;min-width:14rem;overflow-wrap:anywhere}\n"
"thead th{border:0;min-width:0;color:var(--faint);font-size:.87rem;font-weight:400;"
"white-space:nowrap}\n"
"time,.number{white-space:nowrap}\n"
"td small,th small,td time{display:block}\n"
".number{text-align:right}\n"
".error{overflow-wrap:anywhere;padding-right:0}\n"
".error bdi{display:block;font:.87rem/1.5 ui-monospace,monospace;"
"max-height:6em;overflow:auto}\n"
".good,.bad,.wait{font-weight:600}\n"
".good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}\n"
"footer{margin-top:2rem}\n"
"@media(max-width:56rem){body{padding:1.2rem 1rem}"
"thead{position:absolute;clip-path:inset(50%);height:1px;overflow:hidden}"
"table,caption,tbody,tr,th,td{display:block}"
"tr{border-top:1px solid var(--line);padding:.7rem 0}"
"th,td{border:0;padding:.1rem 0}"
"tbody th{font-size:1.05rem}"
".number{text-align:left}"
"td{display:grid;grid-template-columns:8rem 1fr}"
"td::before{content:attr(data-label);color:var(--faint);font-size:.87rem}"
"td>*{grid-column:2}}\n";

const char *
landing_policy(void)
{
	static char policy[256];
	unsigned char hash[SHA256_SIZE];
	char		text[BASE64_SIZE];

	if (*policy)
		return policy;
	if (EVP_Digest(landing_style, strlen(landing_style), hash, NULL,
				   EVP_sha256(), NULL) != 1)
		return NULL;
	EVP_EncodeBlock((unsigned char *) text, hash, sizeof(hash));
	snprintf(policy, sizeof(policy),
			 "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; "
			 "form-action 'none'; frame-ancestors 'none'", text);
	return policy;
}
