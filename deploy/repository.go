package deploy

// Repository is the address of powermgr's repository, without a slash at its end:
// import links of blueprints and the add-on begin with it. A copy of powermgr that is
// published elsewhere changes it here and wherever the tests then say.
const Repository = "https://github.com/example/powermgr"
