/* An OAuth validator module for the tests: the token is the name of the role, behind "good-". (docs: OAuth Validators) */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/oauth.h"

PG_MODULE_MAGIC;

static bool validate(const ValidatorModuleState *state, const char *token, const char *role, ValidatorModuleResult *result)
{
    result->authorized = strncmp(token, "good-", 5) == 0;
    result->authn_id = pstrdup(result->authorized ? token + 5 : role);
    return true;
}

static const OAuthValidatorCallbacks callbacks = {PG_OAUTH_VALIDATOR_MAGIC, .validate_cb = validate};

const OAuthValidatorCallbacks *_PG_oauth_validator_module_init(void)
{
    return &callbacks;
}
