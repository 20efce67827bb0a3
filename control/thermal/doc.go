// Package thermal knows how a house warms and cools: a model of each thermostat's
// zone, fitted to its readings, and what the zone does under other set points. It is
// pure: the same samples give the same model.
//
// A zone is its air, which follows the outdoors, the sun and the equipment, and the
// mass of its walls, which lags behind the air:
//
//	d air/dt  = Outdoors·(outdoors−air) + Mass·(mass−air) + Sun·sun + Gain + Cooling·cools + Heating·heats
//	d mass/dt = (air−mass)/Lag
//
// For a given lag the rest is linear, and fitted by least squares; the lag is the one
// of a few that explains most. A model is judged by the run time of the equipment that
// it explains, which is what it is used for. What explains too little is refused.
package thermal
