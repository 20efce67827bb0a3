// Package plan looks ahead: it finds the reserve that the battery should have in each
// of the coming half hours, so that stored energy covers the expensive hours and no sun
// is wasted.
//
// # For an owner
//
// A Powerwall in self_consumption decides its power by itself. powermgr changes only
// the reserve. Below the reserve the battery charges, from the sun and, if the owner
// allows it, from the grid; at the reserve it holds its charge; above it, it supplies
// the home. So a plan is a series of reserves, with two or three changes a day:
//
//   - hold what a more expensive hour will need;
//   - charge only what the sun and cheap hours will not provide by themselves;
//   - discharge in expensive hours.
//
// Every half hour has a reason, such as "hold 62 %: the expensive hours from 16:00 need
// 8.4 kWh and the sun leaves over 3.1 kWh until then". Money is not all that counts: a
// kWh from the grid in expensive hours counts settings.plan.peak_weight_per_kwh more than
// its price, since staying off the grid in the peak matters more to the owner than a low
// bill.
//
// # For an engineer
//
// It is stochastic dynamic programming, backward from the end, over the state of charge:
// 45 levels with linear interpolation, half hours, 36 hours. The future is not one
// forecast but up to 24 courses of load and sun, whole past days that were like today
// (package forecast), each with a weight. In each slot and for each charge, it chooses
// the reserve with the lowest average cost over the courses: discharge, hold, or charge
// slowly or fast. Energy left at the end is worth 0.9 of the lowest price, because
// otherwise the plan would empty the battery before its horizon. A change has to gain
// more than a cent, because otherwise the reserve would flap.
//
// Solve stores the value of each charge at each time, for each course. Ask then finds the
// reserve for the current situation, to one percent, in well under a millisecond: the
// planner asks every five minutes between plans. Outline shows people the whole plan, and
// compares its cost with that of the rule and of a battery that is left alone: with the
// same courses and the same model (package battery), minus the value of what is left.
//
// A plan with its courses, outline and reasons takes about 10 ms and 1 MB on one
// core (BenchmarkPlan of package planner).
//
// # Thermostats
//
// A house stores heat and cold as a battery stores energy. Package thermal fits a model
// of each thermostat's zone to the readings of the last two weeks: how fast it follows
// the temperature outside and that of its own walls, how much sun and people add, and how
// much a compressor moves and draws. The planner then tries a few ways to set the
// thermostats around the next peak: precool by 2 or 3 °F for 1, 2 or 3 hours or not at
// all, and set back by as many steps as the fixed rule has thresholds, or by none. Each
// is run through the plan of the battery with the load that results from it; one that
// would leave the comfort band of the settings is dropped. The best one by bill, import
// in expensive hours and comfort is planned, and its reason names the others: a °F away
// from the set point for an hour counts as 5 % of the highest price. Precooling that has
// begun continues until the peak, and a setback until the end of the peak. If the model
// explains less than half of the run time, there is no plan for the thermostats, the
// reason says so, and the fixed rule decides. Its thresholds still apply under a plan.
//
// # What it is not
//
// It commands nothing. Package planner makes plans while the daemon runs, and package
// rules decides what to do with them (planned.go): the battery's owner, people and
// overrides come first, a plan has limits and a maximum number of changes a day, and
// without a usable plan the calendar decides. It is pure: the same inputs give the same
// plan.
package plan
